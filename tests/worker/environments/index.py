"""A package index on loopback: the simple repository API (PEP 691) over HTTPS, with wheels that are made here."""

from __future__ import annotations

import base64
import datetime
import hashlib
import io
import ipaddress
import json
import ssl
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cloister.worker.environments.source import Source


def wheel(
    name: str,
    version: str,
    files: Mapping[str, bytes],
    *,
    requires: Sequence[str] = (),
) -> tuple[str, bytes]:
    """A wheel's file name and content. Names in ``files`` are written as they are, whatever they are."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {each}\n" for each in requires)
    content = {
        **files,
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for path, data in content.items()
    )
    content[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in content.items():
            archive.writestr(path, data)
    return f"{name.replace('-', '_')}-{version}-py3-none-any.whl", packed.getvalue()


@dataclass
class Index:
    """What it has, and what it was asked for."""

    address: str = ""
    port: int = 0
    certificate: bytes = b""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """By project and file name."""
    asked: list[str] = field(default_factory=list)

    def add(self, name: str, version: str, files: Mapping[str, bytes], *, requires: Sequence[str] = ()) -> str:
        """Another release of pure Python; the digest of its wheel."""
        file, data = wheel(name, version, files, requires=requires)
        self.files.setdefault(name, {})[file] = data
        return hashlib.sha256(data).hexdigest()

    @property
    def source(self) -> Source:
        """The index, and the one address that may be reached."""
        return Source(self.address, frozenset({("localhost", self.port)}), self.certificate)

    def page(self, path: str) -> tuple[str, bytes] | None:
        """What is at a path: content type and content."""
        self.asked.append(path)
        match path.strip("/").split("/"):
            case ["simple", project] if project in self.files:
                listed = [
                    {
                        "filename": file,
                        "url": f"/files/{project}/{file}",
                        "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
                    }
                    for file, data in self.files[project].items()
                ]
                page = {"meta": {"api-version": "1.0"}, "name": project, "files": listed}
                return "application/vnd.pypi.simple.v1+json", json.dumps(page).encode()
            case ["files", project, file] if file in self.files.get(project, {}):
                return "application/octet-stream", self.files[project][file]
        return None


@contextmanager
def serving(folder: Path) -> Iterator[Index]:
    """An empty index, in a thread."""
    index = Index()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = index.page(self.path)
            self.send_response(200 if found else 404)
            kind, content = found or ("text/plain", b"")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_HEAD(self) -> None:
            self.send_response(405)  # no ranges: whole files are fetched
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    index.certificate, key = _certificate()
    (folder / "certificate.pem").write_bytes(index.certificate)
    (folder / "key.pem").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        index.port = server.server_address[1]
        index.address = f"https://localhost:{index.port}/simple"
        thread = threading.Thread(target=server.serve_forever, name="index")
        thread.start()
        try:
            yield index
        finally:
            server.shutdown()
            thread.join()


def _certificate() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=12))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return (
        made.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
