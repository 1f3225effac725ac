/**
 * Every error that is raised on purpose, as one tree: the one of `cloister.errors`, and what browsers tell apart besides.
 *
 *     CloisterError
 *     ├── ApiError                    the service refused or failed
 *     │   ├── AuthorizationError      wrong token, or not allowed to do that (401, 403)
 *     │   ├── NotFoundError           no such thing, or not yours to know of (404)
 *     │   ├── BadRequestError         the request makes no sense as it stands (400, 409, 413)
 *     │   └── ServerError             the service is away, busy or broken (429, 5xx)
 *     │       ├── Unavailable         the same request may succeed in a moment
 *     │       │   └── StaleKeys       it was sealed to keys that the enclave no longer has
 *     │       └── Unanswered          the hub says no where only the enclave could (any other status)
 *     ├── EnclaveError                a computation or the enclave failed; the message says how
 *     ├── VerificationError           something was not what it must be; nothing was released to it
 *     │   ├── EvidenceRejected        the enclave or worker could not prove what it is
 *     │   │   └── ProtectionMissing   nothing protects it, and this browser's user hasn't said that this will do
 *     │   ├── IdentityRejected        a signature in the name of a user does not hold
 *     │   ├── DecryptionFailed        wrong key, or ciphertext that is not what was encrypted
 *     │   ├── LogTampered             a log, checkpoint or proof contradicts itself
 *     │   │   └── RollbackDetected    the enclave has forgotten events that this browser has seen
 *     │   └── ReceiptInvalid          a receipt does not vouch for this result
 *     ├── DefinitionInvalid           a room's definition breaks a rule
 *     └── BrowserUnsuitable           this browser lacks what is needed to keep data safe
 *
 * Every message says what to do next. None holds a secret.
 */

/** Base class of all of them. */
export class CloisterError extends Error {
  /** Said anew by each class: those of classes themselves are other ones in what is built for browsers. */
  override readonly name: string = "CloisterError";
}

/** The service refused a request or failed to serve it. */
export class ApiError extends CloisterError {
  override readonly name: string = "ApiError";
}

/** The credentials are wrong, or do not permit this. */
export class AuthorizationError extends ApiError {
  override readonly name: string = "AuthorizationError";
}

/** There is no such thing, or its existence is not the caller's to know. */
export class NotFoundError extends ApiError {
  override readonly name: string = "NotFoundError";
}

/** The request can't be served as it stands; sending it again won't help. */
export class BadRequestError extends ApiError {
  override readonly name: string = "BadRequestError";
}

/** The service is away, busy or broken; the same request may succeed later. */
export class ServerError extends ApiError {
  override readonly name: string = "ServerError";
}

/** The hub or the enclave could not be reached, or broke off. */
export class Unavailable extends ServerError {
  override readonly name: string = "Unavailable";
  /** Seconds that the other side asks to wait. */
  readonly retryAfter: number;

  constructor(message: string, { retryAfter = 0, ...options }: ErrorOptions & { retryAfter?: number } = {}) {
    super(message, options);
    this.retryAfter = retryAfter;
  }
}

/** The message was sealed to keys that the enclave no longer has. */
export class StaleKeys extends Unavailable {
  override readonly name: string = "StaleKeys";
}

/**
 * The hub has something else to say than the enclave's answer, which comes sealed or not at all. What was asked of the
 * enclave may have been done or not.
 */
export class Unanswered extends ServerError {
  override readonly name: string = "Unanswered";
}

/** A computation, or the enclave itself, failed. */
export class EnclaveError extends CloisterError {
  override readonly name: string = "EnclaveError";
}

/** A check failed. Nothing secret was sent, nothing unverified was handed out. */
export class VerificationError extends CloisterError {
  override readonly name: string = "VerificationError";
}

/** Evidence is malformed, stale, of a type not allowed, or not that of the reference values. */
export class EvidenceRejected extends VerificationError {
  override readonly name: string = "EvidenceRejected";
}

/** All that is missing is the user's word that a place without protection will do. */
export class ProtectionMissing extends EvidenceRejected {
  override readonly name: string = "ProtectionMissing";
}

/** A signature in the name of a user does not hold. */
export class IdentityRejected extends VerificationError {
  override readonly name: string = "IdentityRejected";
}

/** The key is wrong, or the ciphertext is not the one that was made. */
export class DecryptionFailed extends VerificationError {
  override readonly name: string = "DecryptionFailed";
}

/** A log, a checkpoint or a proof contradicts itself or its signature. */
export class LogTampered extends VerificationError {
  override readonly name: string = "LogTampered";
}

/** The enclave's log is not an extension of the one this browser has seen. */
export class RollbackDetected extends LogTampered {
  override readonly name: string = "RollbackDetected";
}

/** A receipt does not vouch for this result. */
export class ReceiptInvalid extends VerificationError {
  override readonly name: string = "ReceiptInvalid";
}

/** A room's definition breaks a rule; the message names the rule and the node. */
export class DefinitionInvalid extends CloisterError {
  override readonly name: string = "DefinitionInvalid";
}

/** This browser lacks something without which data would not be safe here. */
export class BrowserUnsuitable extends CloisterError {
  override readonly name: string = "BrowserUnsuitable";
}
