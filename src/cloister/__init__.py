"""Cloister: data clean rooms on your own machines.

import cloister
from cloister.analytics import AnalyticsDcrBuilder

client = cloister.create_client("me@example.org", api_token)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cloister.errors import (
    ApiError,
    AuthorizationError,
    BadRequestError,
    CloisterError,
    DecryptionFailed,
    DefinitionInvalid,
    EnclaveError,
    EvidenceRejected,
    IdentityRejected,
    LogTampered,
    NotFoundError,
    ReceiptInvalid,
    RollbackDetected,
    ServerError,
    TimedOut,
    VerificationError,
)
from cloister.version import VERSION

if TYPE_CHECKING:
    from cloister.sdk.client import Client, create_client
    from cloister.sdk.key import Key

__version__ = VERSION

# The enclave and the workers live in this package too, and shall not load a client's code for their errors' sake.
_AT_FIRST_USE = {
    "Client": "cloister.sdk.client",
    "Key": "cloister.sdk.key",
    "create_client": "cloister.sdk.client",
}

__all__ = [
    "ApiError",
    "AuthorizationError",
    "BadRequestError",
    "Client",
    "CloisterError",
    "DecryptionFailed",
    "DefinitionInvalid",
    "EnclaveError",
    "EvidenceRejected",
    "IdentityRejected",
    "Key",
    "LogTampered",
    "NotFoundError",
    "ReceiptInvalid",
    "RollbackDetected",
    "ServerError",
    "TimedOut",
    "VerificationError",
    "__version__",
    "create_client",
]


def __getattr__(name: str) -> Any:
    module = _AT_FIRST_USE.get(name)
    if module is None:
        raise AttributeError(f"module 'cloister' has no attribute {name!r}")
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return sorted(__all__)
