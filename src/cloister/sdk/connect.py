"""Making a client from arguments and the environment."""

# ruff: noqa: ARG001 - the documented interface has parameters that mean nothing here

from __future__ import annotations

import os
import ssl

from cloister.errors import BadRequestError
from cloister.sdk import settings
from cloister.sdk.bound_keys import KeyCheck
from cloister.sdk.client import Client
from cloister.sdk.device import open_device_key
from cloister.sdk.folder import StateFolder
from cloister.sdk.progress import ProgressHook, reporter
from cloister.sdk.specifications import EnclaveSpecs
from cloister.wire.hub import Hub


def create_client(
    user_email: str,
    api_token: str,
    *,
    client_id: str | None = None,
    api_host: str | None = None,
    api_port: int | None = None,
    api_use_tls: bool | None = None,
    request_timeout: float | None = None,
    unsafe_disable_known_root_ca_check: bool = False,
    trust_software_enclave: bool | None = None,
    enclave_specs: EnclaveSpecs | None = None,
    progress: bool | ProgressHook | None = None,
    check_keys: KeyCheck | None = None,
) -> Client:
    """A client for the hub that the arguments or the environment name. Connects when it is first used.

    Args:
        client_id: accepted for older scripts.
        api_host, api_port, api_use_tls: where the hub is. Without them: ``CLOISTER_URL``, or ``DECENTRIQ_HOST``,
            ``DECENTRIQ_PORT`` and ``DECENTRIQ_USE_TLS``.
        request_timeout: seconds for each single read and write, 60 without it; waiting for a result has its own.
        unsafe_disable_known_root_ca_check: trust the authorities that this machine trusts, a company's own among
            them, instead of the public ones. Certificates are checked all the same.
        trust_software_enclave: accept an enclave that runs outside any trusted execution environment, where nothing
            protects the data from its operator. Without it: whether ``CLOISTER_TRUST_SOFTWARE_ENCLAVE`` is 1.
        enclave_specs: the only enclaves and workers that any room of this client may have; without it all that this
            release knows.
        progress: whether transfers show bars on standard error, or a function that is told of each `TransferProgress`
            instead. Without it: ``CLOISTER_PROGRESS``, or else where standard error is a terminal.
        check_keys: is called with a room's id and the device keys that speak for each participant, before data is
            attached there; what it raises keeps the data here. Without it they are printed where standard error is a
            terminal.

    Raises:
        CloisterError: nothing says where the hub is, or the arguments can't be used.
    """
    if request_timeout is not None and not request_timeout > 0:
        raise BadRequestError("request_timeout is a number of seconds, more than 0. Leave it out for the default.")
    return client_at(
        settings.hub_url(os.environ, host=api_host, port=api_port, use_tls=api_use_tls),
        user_email,
        api_token,
        request_timeout=request_timeout,
        tls=ssl.create_default_context() if unsafe_disable_known_root_ca_check else None,
        trust_software_enclave=trust_software_enclave,
        enclave_specs=enclave_specs,
        progress=progress,
        check_keys=check_keys,
    )


def client_at(
    url: str,
    user_email: str,
    api_token: str,
    *,
    request_timeout: float | None = None,
    tls: ssl.SSLContext | None = None,
    trust_software_enclave: bool | None = None,
    enclave_specs: EnclaveSpecs | None = None,
    progress: bool | ProgressHook | None = None,
    check_keys: KeyCheck | None = None,
) -> Client:
    """`create_client` for the hub at a URL, whatever the environment names. All else is as there."""
    environ = os.environ
    folder = StateFolder(settings.state_folder(environ))
    if trust_software_enclave is None:
        trust_software_enclave = settings.software_allowed(environ)
    return Client(
        user_email,
        Hub(url, api_token, timeout=request_timeout, tls=tls),
        folder=folder,
        device=open_device_key(folder, url, user_email, passphrase=environ.get("CLOISTER_DEVICE_PASSPHRASE")),
        allow_software=trust_software_enclave,
        enclave_specs=enclave_specs,
        reporter=reporter(environ, progress),
        vault=settings.vault_named(environ),
        check_keys=check_keys,
    )
