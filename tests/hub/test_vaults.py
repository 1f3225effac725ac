"""Which vault is whose: said once, shown to its user alone, and its device tokens signed by keys that it has pinned."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import pytest

from cloister.hub.accounts import add_user, add_worker
from cloister.hub.settings import HubSettings

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
    token, device = add_user(settings, "a@vault.example"), "ab" * 32
    with RunningHub(settings) as hub, hub.client(token) as alice:
        alice.put("/v1/vault", json={"definition": DEFINITION})
        vault = hashlib.sha256(DEFINITION.encode()).hexdigest()
        answer: httpx.Response = alice.post("/v1/identity", json={"device_key": device, "room": vault})
        assert answer.status_code == 200
