"""Where the hub is and what this machine's user has allowed: from arguments and the environment."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import httpx

from cloister.errors import CloisterError
from cloister.formats.encoding import is_hex32
from cloister.wire.hub import is_loopback

DEFAULT_PORT = 443
_WHERE = "Set CLOISTER_URL=https://your-hub, or DECENTRIQ_HOST, DECENTRIQ_PORT and DECENTRIQ_USE_TLS."


def hub_url(
    environ: Mapping[str, str],
    *,
    host: str | None = None,
    port: int | None = None,
    use_tls: bool | None = None,
) -> str:
    """The hub's base URL, without a slash at the end.

    Arguments win over ``CLOISTER_URL``, which wins over ``DECENTRIQ_HOST``, ``DECENTRIQ_PORT`` (443) and
    ``DECENTRIQ_USE_TLS`` ("false" disables). Plain HTTP is never chosen by default: it takes a URL that says
    ``http://``, or TLS switched off by name. Beyond this machine that is worth a warning all the same.

    Raises:
        CloisterError: nothing says where the hub is, or what does can't be read.
    """
    configured = environ.get("CLOISTER_URL", "").strip()
    if configured and host is None:
        url = _parse(configured)
        if use_tls is not None:
            url = url.copy_with(scheme="https" if use_tls else "http")
        if port is not None:
            url = url.copy_with(port=port)
    else:
        host = host or environ.get("DECENTRIQ_HOST", "").strip()
        if not host:
            raise CloisterError(f"Nothing says where the hub is. {_WHERE}")
        if use_tls is None:
            use_tls = environ.get("DECENTRIQ_USE_TLS", "true").strip().lower() != "false"
        if port is None:
            port = _port(environ.get("DECENTRIQ_PORT", "").strip() or str(DEFAULT_PORT))
        bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
        url = _parse(f"{'https' if use_tls else 'http'}://{bracketed}:{port}")
    if url.scheme == "http" and not is_loopback(url.host):
        warnings.warn(
            f"The hub at {url.host} is spoken to without TLS: whoever is on the way can read your API token. Data "
            "and results are sealed all the same. Use https:// wherever the network isn't yours alone.",
            stacklevel=3,
        )
    return str(url).rstrip("/")


def state_folder(environ: Mapping[str, str]) -> Path:
    """Where device keys and checkpoints are kept: ``CLOISTER_HOME``, else as XDG says."""
    if configured := environ.get("CLOISTER_HOME"):
        return Path(configured).expanduser()
    if base := environ.get("XDG_STATE_HOME"):
        return Path(base) / "cloister"
    return Path("~/.local/state/cloister").expanduser()


def software_allowed(environ: Mapping[str, str]) -> bool:
    """Whether the user accepts an enclave that runs outside any trusted execution environment."""
    return environ.get("CLOISTER_TRUST_SOFTWARE_ENCLAVE") == "1"


def vault_named(environ: Mapping[str, str]) -> str | None:
    """The id of the user's vault, where they say it: then no other is believed to be theirs."""
    named = environ.get("CLOISTER_VAULT", "").strip()
    if named and not is_hex32(named):
        raise CloisterError("CLOISTER_VAULT must be the id of your vault: 64 hexadecimal digits, as vault_id shows.")
    return named or None


def _parse(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        # The text itself is not repeated: it may hold a password.
        raise CloisterError(f"The hub's URL must look like https://hub.example:443. {_WHERE}")
    return url


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise CloisterError(f"DECENTRIQ_PORT must be a port number, and is {text[:20]!a}.")
    return int(text)
