"""Where the hub listens, TLS, stopping, and what every answer carries."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from cloister.errors import CloisterError
from cloister.hub.accounts import add_user
from cloister.hub.server import make_server, serve
from cloister.hub.settings import HubSettings
from cloister.listening import bind

from .conftest import World
from .peers import PATIENCE, RunningEnclave, RunningHub, client, hub_process


def write_certificate(folder: Path, encryption: KeySerializationEncryption | None = None) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    form = (Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    key_file.write_bytes(key.private_bytes(*form))
    return cert_file, key_file


def test_tls(tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path)
    settings = HubSettings(data=tmp_path / "data")
    token = add_user(settings, "a@example.com")
    trusted = ssl.create_default_context(cafile=str(cert))
    with RunningHub(settings, tls_cert=cert, tls_key=key) as hub:
        assert hub.url.startswith("https://127.0.0.1:")
        with httpx.Client(base_url=hub.url, verify=trusted, trust_env=False) as safe:
            answer = safe.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
            assert answer.json() == {"email": "a@example.com"}
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
        with (
            client(hub.url.replace("https", "http")) as plain,
            pytest.raises(httpx.RemoteProtocolError),
        ):
            plain.get("/healthz")


def test_tls_files_that_do_not_work_are_refused(tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    _, foreign_key = write_certificate(other)
    locked = tmp_path / "locked"
    locked.mkdir()
    locked_cert, locked_key = write_certificate(locked, BestAvailableEncryption(b"secret"))
    settings = HubSettings(data=tmp_path / "data")
    with bind("127.0.0.1", 0, "The hub") as bound:
        for cert_file, key_file in (
            (cert, foreign_key),
            (key, cert),
            (cert, tmp_path / "missing"),
            (locked_cert, locked_key),
        ):
            with pytest.raises(CloisterError, match="can't be used"):
                make_server(settings, [bound], tls_cert=cert_file, tls_key=key_file)
        with pytest.raises(CloisterError, match="both --tls-cert and --tls-key"):
            make_server(settings, [bound], tls_cert=cert)
    assert not settings.data.exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_plain_http_beyond_loopback_is_refused_unless_asked_for(tmp_path: Path, host: str) -> None:
    settings = HubSettings(data=tmp_path / "data")
    with pytest.raises(CloisterError, match=r"plain HTTP on .* --tls-cert"):
        serve(settings, host=host)
    assert not settings.data.exists()
    with bind(host, 0, "The hub") as bound:
        make_server(settings, [bound], insecure_http_ok=True)


def test_one_socket_beyond_loopback_is_enough_to_refuse(tmp_path: Path) -> None:
    with (
        bind("127.0.0.1", 0, "The hub") as inside,
        bind("0.0.0.0", 0, "The hub") as outside,
        pytest.raises(CloisterError),
    ):
        make_server(HubSettings(data=tmp_path), [inside, outside])


def test_tls_may_listen_anywhere(tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path)
    with bind("0.0.0.0", 0, "The hub") as bound:
        server = make_server(HubSettings(data=tmp_path / "data"), [bound], tls_cert=cert, tls_key=key)
    assert server.url.startswith("https://0.0.0.0:")


def test_ipv6_loopback_is_loopback(tmp_path: Path) -> None:
    try:
        bound = bind("::1", 0, "The hub")
    except CloisterError:
        pytest.skip("this machine has no IPv6")
    with bound:
        assert make_server(HubSettings(data=tmp_path), [bound]).url == f"http://[::1]:{bound.getsockname()[1]}"


def test_an_address_that_is_taken_is_a_clear_error(tmp_path: Path) -> None:
    with bind("127.0.0.1", 0, "The hub") as bound:
        bound.listen()
        with pytest.raises(CloisterError, match=r"can't listen on 127\.0\.0\.1 port .* in use"):
            serve(HubSettings(data=tmp_path), port=bound.getsockname()[1])


def test_a_folder_that_can_not_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CloisterError, match="can't use the folder"):
        serve(HubSettings(data=tmp_path / "file" / "data"))


def test_a_terminated_hub_ends_well_and_soon(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path / "data")
    token = add_user(settings, "a@example.com")
    log = tmp_path / "log"
    with (
        RunningEnclave() as enclave,
        hub_process(settings.data, log, enclave.url) as hub,
        client(hub.url, token) as alice,
        alice.stream("POST", "/v1/enclave/messages", content=b"hang-after") as answer,
    ):
        frames = answer.iter_raw()
        assert next(frames) == b"first"
        assert hub.terminate() == 0
        with pytest.raises(httpx.RemoteProtocolError):
            next(frames)
    assert "Traceback" not in log.read_text()


def test_every_answer_tells_browsers_to_be_strict(world: World) -> None:
    for answer in (world.alice.get("/v1/me"), world.nobody.get("/v1/me"), world.nobody.get("/nowhere")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
        assert "strict-transport-security" not in answer.headers


def test_the_interface_describes_itself(world: World) -> None:
    document = world.nobody.get("/openapi.json").json()
    assert document["openapi"].startswith("3.")
    schemas = document["components"]["schemas"]
    assert {"ErrorBody", "BlobInfo", "RoomInfo", "TokenInfo"} <= set(schemas)
    assert "HTTPValidationError" not in schemas
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["tags"]
            closed = path.startswith("/v1/")
            assert bool(operation.get("security")) is closed
            # Who signs in may have the wrong words for it.
            assert ("401" in operation["responses"]) is closed or path.startswith("/auth/")
    assert world.nobody.get("/docs").status_code == 404


def test_what_is_no_http_does_no_harm(world: World) -> None:
    url = httpx.URL(world.hub.url)
    assert url.port is not None
    with socket.create_connection((url.host, url.port)) as connection:
        connection.settimeout(PATIENCE)
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    assert world.nobody.get("/healthz").status_code == 200


def test_answers_do_not_wait_for_acknowledgements(tmp_path: Path) -> None:
    """A socket made without naming TCP would send each answer 40 ms late."""
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        make_server(HubSettings(data=tmp_path), [foreign])
        with socket.create_connection(foreign.getsockname()):
            accepted, _ = foreign.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
