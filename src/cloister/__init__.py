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
    from cloister.sdk.client import Client
    from cloister.sdk.connect import create_client
    from cloister.sdk.csv_files import read_input_csv_file
    from cloister.sdk.datasets import SecretStoreOptions
    from cloister.sdk.key import Key
    from cloister.sdk.progress import RunProgress, TransferProgress
    from cloister.sdk.report import NodeReport, RoomReport
    from cloister.sdk.specifications import EnclaveSpecification, EnclaveSpecifications, enclave_specifications
    from cloister.sdk.testing import NodeProgress

__version__ = VERSION

# The enclave and the workers live in this package too, and shall not load a client's code for their errors' sake.
_AT_FIRST_USE = {
    "Client": "cloister.sdk.client",
    "EnclaveSpecification": "cloister.sdk.specifications",
    "EnclaveSpecifications": "cloister.sdk.specifications",
    "Key": "cloister.sdk.key",
    "NodeProgress": "cloister.sdk.testing",
    "NodeReport": "cloister.sdk.report",
    "RoomReport": "cloister.sdk.report",
    "RunProgress": "cloister.sdk.progress",
    "SecretStoreOptions": "cloister.sdk.datasets",
    "TransferProgress": "cloister.sdk.progress",
    "create_client": "cloister.sdk.connect",
    "enclave_specifications": "cloister.sdk.specifications",
    "read_input_csv_file": "cloister.sdk.csv_files",
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
    "EnclaveSpecification",
    "EnclaveSpecifications",
    "EvidenceRejected",
    "IdentityRejected",
    "Key",
    "LogTampered",
    "NodeProgress",
    "NodeReport",
    "NotFoundError",
    "ReceiptInvalid",
    "RollbackDetected",
    "RoomReport",
    "RunProgress",
    "SecretStoreOptions",
    "ServerError",
    "TimedOut",
    "TransferProgress",
    "VerificationError",
    "__version__",
    "create_client",
    "enclave_specifications",
    "read_input_csv_file",
]


def __getattr__(name: str) -> Any:
    module = _AT_FIRST_USE.get(name)
    if module is None:
        raise AttributeError(f"module 'cloister' has no attribute {name!r}")
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return sorted(__all__)
