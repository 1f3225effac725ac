"""The permission matrix over the wire: hub, enclave and worker as processes, requests as anybody could make them."""

from __future__ import annotations

import contextlib
import io
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister import Key
from cloister.analytics import (
    AnalyticsDcrBuilder,
    Column,
    FormatType,
    PythonComputeNodeDefinition,
    RawDataNodeDefinition,
    TableDataNodeDefinition,
)
from cloister.cli.operators.layout import Layout
from cloister.errors import AuthorizationError, NotFoundError
from cloister.formats.sealed import seal_request
from cloister.hub import accounts
from cloister.hub.issuer import Issuer
from cloister.protocol import AwaitJob, Refusal, Request, RetrieveRoom, RoomBody, RunComputation
from cloister.rooms.permissions import NO_SUCH_ROOM, Action
from cloister.sdk.client import Client
from cloister.sdk.device import open_device_key
from cloister.sdk.folder import StateFolder
from cloister.sdk.nodes import TableDataNode
from cloister.wire.channel import Channel
from cloister.wire.hub import Hub
from tests.enclave.peers import token_issuer
from tests.installation import Installation, attach
from tests.issuers import open_issuer
from tests.permission_cases import (
    ANALYST,
    ASKERS,
    HOSPITAL,
    JOB,
    OUTSIDER,
    OWNER,
    REQUESTS,
    ROLES,
    TABLE,
    TABLE_JOB,
    Asker,
    Credentials,
    expected,
    make,
)


@dataclass
class Wire:
    """An installation with one room, and the ways into it."""

    installation: Installation
    clients: dict[str, Client]
    devices: dict[str, Ed25519PrivateKey]
    hubs: dict[str, Hub]
    channel: Channel
    issuer: Issuer
    """The hub's own: what it would sign if it lied."""
    room: str

    def fresh_room(self) -> str:
        """A room like the first, without a result yet, and without a table."""
        owner = self.clients[OWNER]
        builder = AnalyticsDcrBuilder(client=owner).with_name("Permissions").with_owner(OWNER)
        builder.add_node_definition(RawDataNodeDefinition("patients", is_required=True))
        builder.add_node_definition(RawDataNodeDefinition("notes", is_required=False))
        builder.add_node_definition(RawDataNodeDefinition("lab", is_required=False))
        columns = [Column(FormatType.INTEGER, "id", is_nullable=False)]
        builder.add_node_definition(TableDataNodeDefinition(TABLE, columns, is_required=False))
        script = "open('/output/size', 'w').write(str(len(open('/input/patients').read())))"
        builder.add_node_definition(
            PythonComputeNodeDefinition("joined", script=script, dependencies=["patients", "lab"])
        )
        builder.add_node_definition(PythonComputeNodeDefinition("other", script=script, dependencies=["lab"]))
        for user, (owned, run) in ROLES.items():
            builder.add_participant(user, data_owner_of=owned, analyst_of=run)
        room = owner.publish_analytics_dcr(builder.build())
        for user in ROLES:
            self.clients[user].retrieve_analytics_dcr(room.id)
        attach(self.clients[HOSPITAL].retrieve_analytics_dcr(room.id), "patients", b"four")
        return room.id

    def ask(self, asker: Asker, body: RoomBody, room: str | None) -> list[bytes]:
        """Asks by the hub, with the API token of the asker where they have one; the frames inside their seals."""
        device, token = self._credentials(asker)
        payload = msgspec.json.encode(Request(body=body, room=room, user=asker.email or None, token=token))
        message, exchange = seal_request(self.channel.trusted().keys, payload, device)
        with self.hubs[asker.email or OUTSIDER].relay(message) as chunks:
            stream = b"".join(chunks)
        frames: list[bytes] = []
        while stream:
            end = 4 + int.from_bytes(stream[:4], "big")
            frames.append(exchange.open_frame(len(frames), stream[4:end])[0])
            stream = stream[end:]
        return frames

    def _credentials(self, asker: Asker) -> tuple[Ed25519PrivateKey | None, str | None]:
        fresh = Ed25519PrivateKey.generate()
        key = fresh.public_key().public_bytes_raw()
        now = int(time.time())
        match asker.credentials:
            case Credentials.BOUND:
                return self.devices[asker.email], None
            case Credentials.NO_SIGNATURE:
                return None, None
            case Credentials.NO_TOKEN:
                return fresh, None
            case Credentials.OTHER_TOKEN:
                return fresh, self.hubs[OUTSIDER].identity(key)
            case Credentials.STOLEN_TOKEN:
                theirs = self.devices[asker.email].public_key().public_bytes_raw()
                return fresh, self.hubs[asker.email].identity(theirs)
            case Credentials.EXPIRED_TOKEN:
                return fresh, self.issuer.issue(asker.email, key, now - 400)
            case Credentials.EARLY_TOKEN:
                return fresh, self.issuer.issue(asker.email, key, now + 120)
            case Credentials.FOREIGN_TOKEN:
                return fresh, token_issuer(self.issuer.name).issue(asker.email, key, now)
            case Credentials.OTHER_USER:
                return self.devices[OWNER if asker.email != OWNER else ANALYST], None
            case Credentials.FRESH_TOKEN:
                return fresh, self.hubs[asker.email].identity(key)


@pytest.fixture(scope="module")
def wire(installation: Installation) -> Iterator[Wire]:
    with contextlib.ExitStack() as open_hubs:
        users = (*ROLES, OUTSIDER)
        hubs = {user: Hub(installation.url, installation.token(user)) for user in users}
        for hub in hubs.values():
            open_hubs.callback(hub.close)
        ready = Wire(
            installation=installation,
            # Whoever attaches data has looked at the keys of the others, so that they may fetch it.
            clients={user: installation.client(user, check_keys=lambda _room, _keys: None) for user in users},
            devices={
                user: open_device_key(StateFolder(installation.homes / user), installation.url, user) for user in users
            },
            hubs=hubs,
            channel=Channel(hubs[OUTSIDER], allow_software=True),
            issuer=open_issuer(Layout(installation.data).hub_settings()),
            room="",
        )
        ready.room = ready.fresh_room()
        table = ready.clients[HOSPITAL].retrieve_analytics_dcr(ready.room).get_node(TABLE)
        assert isinstance(table, TableDataNode)
        table.upload_and_publish_dataset(io.BytesIO(b"1\n2\n"), Key(), "cohort.csv")
        # The computation has run once, and the table was validated: there is something to fetch, by the jobs that
        # requests ask about.
        analyst = next(asker for asker in ASKERS if asker.email == ANALYST)
        for node, job in (("joined", JOB), (TABLE, TABLE_JOB)):
            for body in (RunComputation(node=node, job=job), AwaitJob(node=node, job=job)):
                assert b'"done"' in ready.ask(analyst, body, ready.room)[-1]
        yield ready


@pytest.mark.parametrize("asker", ASKERS, ids=lambda asker: asker.name)
@pytest.mark.parametrize("name", REQUESTS)
def test_matrix(wire: Wire, name: str, asker: Asker) -> None:
    kind, action, node = REQUESTS[name]
    wanted = expected(asker, action)
    # What is refused changes nothing, so that all of it can be asked of one room.
    changing = wanted == "allowed" and action in (Action.ATTACH, Action.REMOVE, Action.STOP)
    frame = wire.ask(asker, make(kind, node), wire.fresh_room() if changing else wire.room)[-1]
    match wanted:
        case "allowed":
            assert msgspec.json.decode(frame)["frame"] == "answer"
        case "forbidden":
            refusal = msgspec.json.decode(frame, type=Refusal)
            assert refusal.code == "forbidden"
            assert action.value in refusal.message
        case _:
            assert msgspec.json.decode(frame, type=Refusal) == Refusal(code="not_found", message=NO_SUCH_ROOM)


@pytest.mark.parametrize("name", REQUESTS)
def test_refusals_do_not_tell_unknown_rooms_from_rooms_of_others(wire: Wire, name: str) -> None:
    """Byte for byte, and in one frame of the same length."""
    kind, _, node = REQUESTS[name]
    strangers = [asker for asker in ASKERS if not asker.held and asker.email in ("", OUTSIDER, ANALYST)]
    answers = {tuple(wire.ask(asker, make(kind, node), wire.room)) for asker in strangers}
    answers |= {tuple(wire.ask(asker, make(kind, node), os.urandom(32).hex())) for asker in (ASKERS[0], *strangers[:2])}
    assert len(answers) == 1


def test_what_was_refused_has_changed_nothing(wire: Wire) -> None:
    room = wire.clients[OWNER].retrieve_analytics_dcr(wire.room)
    status = room.status()
    assert [entry.node for entry in status.attached] == [TABLE, "patients"]
    assert not status.stopped
    assert {entry.user for entry in status.keys} == set(ROLES)
    bound = [line.split(",") for line in room.retrieve_audit_log().splitlines() if ",bind key," in line]
    # Each participant's device, and what the analyst's second devices have bound: nobody else's.
    assert {fields[1] for fields in bound} == set(ROLES)
    assert all(fields[1] == ANALYST for fields in bound[len(ROLES) :])


class TestHub:
    """The hub's own door."""

    def test_without_a_token_there_is_nothing(self, wire: Wire) -> None:
        with httpx.Client(base_url=wire.installation.url, trust_env=False) as http:
            paths = http.get("/openapi.json").json()["paths"]
            closed = [
                (method.upper(), re.sub(r"{[^}]*}", "0", path))
                for path, methods in paths.items()
                for method in methods
                if path.startswith("/v1/")
            ]
            assert len(closed) > 10
            for headers in (
                {},
                {"Authorization": ""},
                {"Authorization": "Bearer"},
                {"Authorization": "Bearer nonsense"},
                {"Authorization": f"Bearer {'A' * 43}="},
                {"Authorization": f"Basic {wire.installation.token(OWNER)}"},
            ):
                for method, path in closed:
                    answer = http.request(method, path, headers=headers)
                    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized"), (method, path)

    def test_a_wrong_token_is_said_to_be_wrong(self, wire: Wire) -> None:
        client = wire.installation.client(OWNER, token="A" * 43 + "=")
        with pytest.raises(AuthorizationError, match="token"):
            client.retrieve_analytics_dcr(wire.room)

    def test_a_revoked_token_too(self, wire: Wire) -> None:
        token = wire.installation.token(OWNER)
        client = wire.installation.client(OWNER, token=token)
        client.retrieve_analytics_dcr(wire.room)
        with httpx.Client(
            base_url=wire.installation.url, headers={"Authorization": f"Bearer {token}"}, trust_env=False
        ) as http:
            mine = next(entry for entry in http.get("/v1/tokens").json() if entry["last_four"] == token[-4:])
            assert http.delete(f"/v1/tokens/{mine['id']}").is_success
        with pytest.raises(AuthorizationError, match="token"):
            client.retrieve_analytics_dcr(wire.room)

    def test_the_token_of_another_user_does_not_help(self, wire: Wire) -> None:
        """Neither to be them, nor to be oneself by it."""
        client = wire.installation.client(ANALYST, machine="elsewhere", token=wire.installation.token(OUTSIDER))
        with pytest.raises(AuthorizationError, match=f"belongs to {OUTSIDER}, not to {ANALYST}"):
            client.retrieve_analytics_dcr(wire.room)
        outsider = wire.installation.client(OUTSIDER, machine=ANALYST)  # with the analyst's folder
        with pytest.raises(NotFoundError, match="no such room"):
            outsider.retrieve_analytics_dcr(wire.room)

    def test_a_workers_token_is_for_blobs_and_the_relay_alone(self, wire: Wire) -> None:
        token = accounts.add_worker(Layout(wire.installation.data).hub_settings(), "permissions-test")
        worker = Hub(wire.installation.url, token)
        try:
            for call in (
                worker.account,
                worker.rooms,
                lambda: worker.identity(b"k" * 32),
                lambda: worker.enter_room("ab" * 32, [OWNER]),
            ):
                with pytest.raises(AuthorizationError, match="worker's token can't do this"):
                    call()
            # The relay lets it pass; the enclave doesn't know it.
            channel = Channel(worker, allow_software=True)
            for device in (None, Ed25519PrivateKey.generate(), wire.devices[OUTSIDER]):
                request = Request(body=RetrieveRoom(), room=wire.room, user=OWNER)
                with pytest.raises(NotFoundError, match="no such room"):
                    channel.ask(request, device)
        finally:
            worker.close()
