"""Whether one part of Cloister reaches the next, as it is configured here; and if not, why, in words that help."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import httpx
import msgspec

from cloister.cli.operators.config_command import found
from cloister.cli.operators.settings import sections
from cloister.errors import CloisterError
from cloister.secret import read_secret
from cloister.wire.pinning import pinned

_SECONDS = 5.0


class SetHere(msgspec.Struct, frozen=True):
    """A setting that isn't at its default."""

    part: str
    name: str
    source: str
    """``file`` or ``environment``."""


class Link(msgspec.Struct, frozen=True):
    """The way from one part to another."""

    name: str
    """Who asks whom, e.g. ``worker to hub``."""
    address: str
    problem: str | None
    """What is wrong and what to do; None where the other side answers."""


class Configuration(msgspec.Struct, frozen=True):
    """What is set on this machine, and what follows from it."""

    file: str | None
    settings: tuple[SetHere, ...]
    links: tuple[Link, ...]


def configuration(file: Path | None) -> Configuration:
    """Looks at the settings, and asks the parts that they name.

    Raises:
        CloisterError: the file is wrong.
    """
    set_here = []
    values = {}
    for part, settings in sections().items():
        for setting, value, source in found(settings, file):
            if source != "default":
                set_here.append(SetHere(part, setting.name, source))
            values[part, setting.name] = value
    links = []
    if url := values["worker", "hub"]:
        links.append(_link("worker to hub", str(url), "/healthz", values["worker", "hub_cert"]))
        if token := values["worker", "token_file"]:
            # A worker may use blobs and the relay: the enclave's keys are what it asks for first.
            shown = _read(token)
            links.append(_link("worker's token", str(url), "/v1/enclave/keys", values["worker", "hub_cert"], shown))
    if url := values["hub", "enclave_url"]:
        secret = values["hub", "enclave_secret_file"]
        header = None if secret is None else _secret(secret)
        links.append(_link("hub to enclave", str(url), "/readyz", values["hub", "enclave_cert"], header))
    return Configuration(None if file is None else str(file), tuple(set_here), tuple(links))


def _read(file: object) -> str | CloisterError:
    try:
        return Path(str(file)).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return CloisterError(f"{file} can't be read by this user.")


def _secret(file: object) -> str | CloisterError:
    try:
        return read_secret(Path(str(file)))
    except CloisterError as error:
        return error


def _link(name: str, url: str, path: str, certificate: object, bearer: str | CloisterError | None = None) -> Link:
    if isinstance(bearer, CloisterError):
        return Link(name, url, str(bearer))
    return Link(name, url, problem(url, path, None if certificate is None else Path(str(certificate)), bearer))


def problem(url: str, path: str, certificate: Path | None = None, bearer: str | None = None) -> str | None:
    """What keeps this machine from using a hub or an enclave; None where nothing does.

    Args:
        certificate: the one that is trusted, where not the usual authorities are.
        bearer: a token or secret to show. It is never part of what is returned.
    """
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    try:
        verify = True if certificate is None else pinned(certificate)
        with httpx.Client(verify=verify, timeout=_SECONDS, trust_env=False) as client:
            answer = client.get(url.rstrip("/") + path, headers=headers)
    except (OSError, ssl.SSLError) as error:
        return f"the certificate {certificate} can't be used: {error}"
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        return "that is no address; write it like https://hub.example.org"
    except httpx.TimeoutException:
        return f"no answer within {_SECONDS:g} seconds; is it the right address, and does a firewall drop packets?"
    except httpx.HTTPError as error:
        return _why(error)
    if answer.status_code == 401:
        return "it does not accept the token or secret; both sides need the same one, and it may have been revoked"
    if answer.status_code == 503:
        return "it answers, but says that it can't serve now; its log says why"
    if not answer.is_success:
        return f"it answers with status {answer.status_code}; is that address the right part of Cloister?"
    return None


def _why(error: httpx.HTTPError) -> str:
    link: BaseException | None = error
    while link is not None:
        match link:
            case ssl.SSLCertVerificationError():
                return f"its certificate is not the one that is trusted here ({link.verify_message})"
            case ssl.SSLError():
                return "it does not speak TLS there; is the address http://, or another port?"
            case socket.gaierror():
                return "there is no such host; check the name, and DNS"
            case ConnectionRefusedError():
                return "nobody listens there; is it running, and is that the right port?"
            case OSError():
                return f"no connection: {link.strerror or type(link).__name__}"
        link = link.__cause__ or link.__context__
    if isinstance(error, httpx.RemoteProtocolError):
        return "it does not answer as HTTP; does it want https://?"
    return f"no connection ({type(error).__name__})"
