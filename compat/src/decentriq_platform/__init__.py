"""Cloister's SDK under the name that existing scripts import. See `cloister`."""

from cloister import (
    ApiError,
    AuthorizationError,
    BadRequestError,
    Client,
    CloisterError,
    DefinitionInvalid,
    EnclaveError,
    Key,
    NotFoundError,
    ServerError,
    TimedOut,
    VerificationError,
    __version__,
    create_client,
)

__all__ = [
    "ApiError",
    "AuthorizationError",
    "BadRequestError",
    "Client",
    "CloisterError",
    "DefinitionInvalid",
    "EnclaveError",
    "Key",
    "NotFoundError",
    "ServerError",
    "TimedOut",
    "VerificationError",
    "__version__",
    "create_client",
]
