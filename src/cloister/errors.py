"""Every error that Cloister raises on purpose, as one tree.

    CloisterError
    ├── ApiError                    the service refused or failed (documented base class)
    │   ├── AuthorizationError      wrong token, or not allowed to do that (401, 403)
    │   ├── NotFoundError           no such thing, or not yours to know of (404)
    │   ├── BadRequestError         the request makes no sense as it stands (400, 409, 413)
    │   └── ServerError             the service is away, busy or broken (429, 5xx; any other in the enclave's place)
    ├── EnclaveError                a computation or the enclave failed; the message says how
    ├── VerificationError           something was not what it must be; nothing was released to it
    │   ├── EvidenceRejected        the enclave or worker could not prove what it is
    │   ├── IdentityRejected        an identity token or a device signature does not hold
    │   ├── DecryptionFailed        wrong key, or ciphertext that is not what was encrypted
    │   ├── LogTampered             a log, checkpoint or proof contradicts itself
    │   │   └── RollbackDetected    the enclave has forgotten events that this client has seen
    │   └── ReceiptInvalid          a receipt does not vouch for this result
    ├── DefinitionInvalid           a room's definition breaks a rule (also a ValueError)
    ├── TimedOut                    waited for as long as the caller said (also a TimeoutError)
    ├── Refused                     the enclave's own "no", before it is put on the wire
    ├── SandboxUnavailable          this machine can't run a container safely
    └── ImageUnavailable            a worker image can't be built, found or mounted

Every message says what to do next. None holds a secret.
"""

from __future__ import annotations


class CloisterError(Exception):
    """Base class of all of them."""


class ApiError(CloisterError):
    """The service refused a request or failed to serve it."""


class AuthorizationError(ApiError):
    """The credentials are wrong, or do not permit this."""


class NotFoundError(ApiError):
    """There is no such thing, or its existence is not the caller's to know."""


class BadRequestError(ApiError):
    """The request can't be served as it stands; sending it again won't help."""


class ServerError(ApiError):
    """The service is away, busy or broken; the same request may succeed later."""


class EnclaveError(CloisterError):
    """A computation, or the enclave itself, failed."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class VerificationError(CloisterError):
    """A check failed. Nothing secret was sent, nothing unverified was handed out."""


class EvidenceRejected(VerificationError):
    """Evidence is malformed, stale, of a type not allowed, or not that of the reference values."""


class IdentityRejected(VerificationError):
    """An identity token or a device signature does not hold."""


class DecryptionFailed(VerificationError):
    """The key is wrong, or the ciphertext is not the one that was made."""


class LogTampered(VerificationError):
    """A log, a checkpoint or a proof contradicts itself or its signature."""


class RollbackDetected(LogTampered):
    """The enclave's log is not an extension of the one this client has seen."""


class ReceiptInvalid(VerificationError):
    """A receipt does not vouch for this result."""


class DefinitionInvalid(CloisterError, ValueError):
    """A room's definition breaks a rule; the message names the rule and the node."""


class TimedOut(CloisterError, TimeoutError):
    """What was waited for did not come in the time that the caller gave. It goes on all the same."""


class Refused(CloisterError):
    """The enclave's decision not to do something.

    ``code`` is one of `CODES` and travels to the client beside the message.
    """

    CODES = frozenset({"not_found", "forbidden", "bad_request", "conflict", "busy", "failed", "rejected"})

    def __init__(self, code: str, message: str, *, retry_seconds: int | None = None) -> None:
        """``retry_seconds``: when the same request may be served, where that is known."""
        if code not in self.CODES:
            raise ValueError(f"unknown refusal code {code!r}")
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_seconds = retry_seconds


class SandboxUnavailable(CloisterError):
    """No container runtime on this machine enforces what Cloister needs."""


class ImageUnavailable(CloisterError):
    """A worker image can't be built, isn't on this machine, or can't be mounted."""
