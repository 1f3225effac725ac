"""Identity tokens, verified with the served keys by joserfc's own rules, and the key behind them."""

from __future__ import annotations

import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey
from joserfc.jwt import JWTClaimsRegistry

from cloister.errors import CloisterError
from cloister.hub.accounts import add_user
from cloister.hub.settings import HubSettings
from tests.issuers import open_issuer

from .conftest import World
from .peers import PATIENCE, RunningHub


def test_a_token_verifies_with_the_served_keys(world: World) -> None:
    device = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    before = int(time.time())
    token = world.alice.post("/v1/identity", json={"device_key": device.hex()}).json()["token"]
    after = int(time.time())
    served = world.nobody.get("/.well-known/jwks.json").json()
    keys = KeySet.import_key_set(served)
    decoded = jwt.decode(token, keys, algorithms=["Ed25519"])
    kid = served["keys"][0]["kid"]
    assert decoded.header == {"alg": "Ed25519", "kid": kid, "typ": "JWT"}
    claims = decoded.claims
    registry = JWTClaimsRegistry(
        iss={"essential": True, "value": f"cloister-hub:{kid}"},
        aud={"essential": True, "value": "cloister-enclave"},
        sub={"essential": True, "value": "alice@example.com"},
    )
    registry.validate(claims)
    assert before <= claims["iat"] <= after
    assert claims["exp"] == claims["iat"] + 300
    assert claims["email"] == "alice@example.com"
    assert claims["cnf"]["jwk"] == OKPKey.import_key(
        {"kty": "OKP", "crv": "Ed25519", "x": claims["cnf"]["jwk"]["x"]}
    ).as_dict(private=False)
    assert set(claims) == {"iss", "aud", "sub", "email", "iat", "exp", "jti", "cnf"}
    again = world.alice.post("/v1/identity", json={"device_key": device.hex()}).json()["token"]
    assert jwt.decode(again, keys, algorithms=["Ed25519"]).claims["jti"] != claims["jti"]


@pytest.mark.parametrize("name", [None, "idp.example.org"])
def test_the_key_set_names_the_issuer_as_its_tokens_do(tmp_path: Path, name: str | None) -> None:
    settings = HubSettings(data=tmp_path, issuer=name)
    token = add_user(settings, "a@example.com")
    with RunningHub(settings) as hub, hub.client(token) as client:
        served = client.get("/.well-known/jwks.json").json()
        identity = client.post("/v1/identity", json={"device_key": "00" * 32}).json()["token"]
    assert set(served) == {"keys", "issuer"}
    keys = KeySet.import_key_set(served)
    assert jwt.decode(identity, keys, algorithms=["Ed25519"]).claims["iss"] == served["issuer"]
    assert served["issuer"] == (name or f"cloister-hub:{served['keys'][0]['kid']}")


def test_the_confirmed_key_is_the_devices(world: World) -> None:
    device = Ed25519PrivateKey.generate().public_key()
    raw = device.public_bytes_raw()
    token = world.bob.post("/v1/identity", json={"device_key": raw.hex()}).json()["token"]
    keys = KeySet.import_key_set(world.nobody.get("/.well-known/jwks.json").json())
    confirmed = OKPKey.import_key(jwt.decode(token, keys, algorithms=["Ed25519"]).claims["cnf"]["jwk"])
    assert confirmed.public_key.public_bytes_raw() == raw


def test_the_served_keys_hold_nothing_private(world: World) -> None:
    keys = world.nobody.get("/.well-known/jwks.json").json()["keys"]
    assert len(keys) == 2
    for key in keys:
        assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}
        assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("OKP", "Ed25519", "sig", "Ed25519")
        assert OKPKey.import_key({name: key[name] for name in ("kty", "crv", "x")}).thumbprint() == key["kid"]


@pytest.mark.parametrize(
    "body", [{}, {"device_key": ""}, {"device_key": "ab"}, {"device_key": "AB" * 32}, {"device_key": 1}, {"x": 1}]
)
def test_a_device_key_that_is_none_is_refused(world: World, body: dict[str, object]) -> None:
    assert world.alice.post("/v1/identity", json=body).status_code == 400


def test_the_key_and_the_name_outlive_a_restart(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path)
    token = add_user(settings, "a@example.com")
    seen = []
    for _ in range(2):
        with RunningHub(settings) as hub, hub.client(token) as client:
            identity = client.post("/v1/identity", json={"device_key": "00" * 32}).json()["token"]
            keys = KeySet.import_key_set(client.get("/.well-known/jwks.json").json())
            seen.append((keys.as_dict(), jwt.decode(identity, keys, algorithms=["Ed25519"]).claims["iss"]))
    assert seen[0] == seen[1]


def test_the_key_is_pkcs8_for_this_user_alone(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path / "data")
    open_issuer(settings)
    files = list(settings.identity_folder.iterdir())
    assert len(files) == 2
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        pem = file.read_bytes()
        assert pem.startswith(b"-----BEGIN PRIVATE KEY-----")
        assert isinstance(load_pem_private_key(pem, None), Ed25519PrivateKey)


def test_a_chosen_name_is_kept_and_can_not_change_unnoticed(tmp_path: Path) -> None:
    assert open_issuer(HubSettings(data=tmp_path, issuer="our-hub")).name == "our-hub"
    assert open_issuer(HubSettings(data=tmp_path)).name == "our-hub"
    with pytest.raises(CloisterError, match=r"'our-hub'.*can't become 'another'"):
        open_issuer(HubSettings(data=tmp_path, issuer="another"))


@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_a_damaged_key_is_an_error_and_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    settings = HubSettings(data=tmp_path)
    open_issuer(settings)
    file = next(settings.identity_folder.iterdir())
    file.write_bytes(content)
    with pytest.raises(CloisterError, match="Restore it from a backup"):
        open_issuer(settings)
    assert file.read_bytes() == content


def test_hubs_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.issuers import open_issuer;"
        "from cloister.hub.settings import HubSettings;"
        "print(open_issuer(HubSettings(data=Path(sys.argv[1]))).name)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "data")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    names = {process.communicate(timeout=PATIENCE * 2)[0] for process in processes}
    assert len(names) == 1
    assert names.pop().startswith(b"cloister-hub:")
