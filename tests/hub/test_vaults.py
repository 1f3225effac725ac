"""Which vault is whose: said once, shown to its user alone, and its device tokens signed by keys that it has pinned."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from cloister.hub.accounts import add_user, add_worker
from cloister.hub.database import open_database
from cloister.hub.settings import HubSettings
from cloister.hub.signing import SETTLING, open_signing_keys

from .peers import RunningHub

DEFINITION = '{"version":1}'


def test_a_vault_is_said_once_and_shown_to_its_user_alone(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path)
    alice, bob, worker = add_user(settings, "a@vault.example"), add_user(settings, "b@vault.example"), None
    worker = add_worker(settings, "worker")
    with RunningHub(settings) as hub:
        clients = [hub.client(token) for token in (alice, bob, worker, None)]
        first, second, third, nobody = clients
        assert first.get("/v1/vault").status_code == 404
        assert first.put("/v1/vault", json={"definition": DEFINITION}).status_code == 201
        assert first.put("/v1/vault", json={"definition": DEFINITION}).status_code == 200
        other = first.put("/v1/vault", json={"definition": '{"version":2}'})
        assert (other.status_code, other.json()["error"]["code"]) == (409, "conflict")
        assert first.get("/v1/vault").json() == {"definition": DEFINITION}
        assert [each.get("/v1/vault").status_code for each in (second, third, nobody)] == [404, 403, 401]
        assert third.put("/v1/vault", json={"definition": DEFINITION}).status_code == 403
        # The very same may be somebody else's too, as far as the hub knows; the enclave knows better.
        assert second.put("/v1/vault", json={"definition": DEFINITION}).status_code == 201
        for each in clients:
            each.close()


@pytest.mark.parametrize("definition", ["", "\x00", "é", "x" * 65537, None, 7])
def test_what_is_no_definition_is_refused(tmp_path: Path, definition: object) -> None:
    settings = HubSettings(data=tmp_path)
    token = add_user(settings, "a@vault.example")
    with RunningHub(settings) as hub, hub.client(token) as alice:
        assert alice.put("/v1/vault", json={"definition": definition}).status_code == 400
        assert alice.get("/v1/vault").status_code == 404


def test_tokens_for_a_vault_are_signed_by_a_key_that_it_has_pinned(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path)
    tokens = [add_user(settings, email) for email in ("a@vault.example", "b@vault.example")]
    vault = hashlib.sha256(DEFINITION.encode()).hexdigest()

    def signed_by(user: httpx.Client, room: str | None) -> str:
        asked = {"device_key": "ab" * 32} | ({} if room is None else {"room": room})
        token = user.post("/v1/identity", json=asked).json()["token"]
        header = token.partition(".")[0]
        return str(json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"])

    with RunningHub(settings) as hub, hub.client(tokens[0]) as alice, hub.client(tokens[1]) as bob:
        first, second = (key["kid"] for key in alice.get("/.well-known/jwks.json").json()["keys"])
        alice.put("/v1/vault", json={"definition": DEFINITION})
        assert signed_by(alice, vault) == first
        with open_database(settings) as database:
            signing = open_signing_keys(settings, database)
            later = datetime.now(UTC) + SETTLING
            for number in range(2):
                third = signing.rotate(later + number * SETTLING).kid
        assert third not in (first, second)
        assert signed_by(alice, None) == third
        assert signed_by(alice, vault) in (first, second)
        # Whose vault it is not, for them it is none.
        assert signed_by(bob, vault) == third
