"""Trust in one certificate."""

from __future__ import annotations

import ssl
from pathlib import Path


def pinned(certificate: Path) -> ssl.SSLContext:
    """A client's TLS that takes this certificate (PEM), by whatever name the server is reached, and no other.

    Raises:
        OSError, ssl.SSLError: it can't be read, or is none.
    """
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    # Also one that an authority has signed: it is trusted itself, and the authority isn't.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
