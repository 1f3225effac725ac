"""Which key signs for which room, over rotations and thefts; by the pure rule, and by a running hub."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from cloister.cli import cloister
from cloister.errors import NotFoundError
from cloister.hub.accounts import add_user
from cloister.hub.database import Database, open_database
from cloister.hub.settings import HubSettings
from cloister.hub.signing import SETTLING, SigningKey, SigningKeys, State, open_signing_keys, signer

from .peers import RunningHub, fresh_id

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ALICE = "alice@example.com"


def key(
    number: int, published: datetime, signs: datetime | None, *, until: datetime | None = None, gone: bool = False
) -> SigningKey:
    return SigningKey(number, str(number), "", published, signs, START + 100 * DAY if gone else None, until)


def history(*, gone: tuple[int, ...] = ()) -> list[SigningKey]:
    """Keys 1 and 2 from the start; 2 signs since day 10, 3 since day 20, and 4 is the next."""
    second, third = START + 10 * DAY, START + 20 * DAY
    return [
        key(1, START, START, until=second, gone=1 in gone),
        key(2, START, second, until=third, gone=2 in gone),
        key(3, second, third, gone=3 in gone),
        key(4, third, None, gone=4 in gone),
    ]


@pytest.mark.parametrize(
    ("entered", "gone", "expected"),
    [
        (timedelta(seconds=1), (), 1),
        (timedelta(seconds=1), (1,), 2),
        (timedelta(seconds=1), (1, 2), None),
        (5 * DAY, (), 2),
        (5 * DAY, (2,), 1),
        (5 * DAY, (1, 2), None),
        # Within the hour after a rotation: the key that was shown before it and after it.
        (10 * DAY + timedelta(minutes=1), (), 2),
        # Both others are as likely to be pinned; clients look seconds before.
        (10 * DAY + timedelta(minutes=1), (2,), 3),
        (10 * DAY + 2 * SETTLING, (), 3),
        (15 * DAY, (3,), 2),
        (15 * DAY, (2, 3), None),
        (30 * DAY, (), 3),
        (30 * DAY, (1, 2), 3),
        (None, (), 3),
    ],
)
def test_the_newest_key_that_a_room_has_pinned_signs(
    entered: timedelta | None, gone: tuple[int, ...], expected: int | None
) -> None:
    chosen = signer(history(gone=gone), None if entered is None else START + entered)
    assert (None if chosen is None else chosen.number) == expected


def test_the_next_key_signs_nothing_before_its_time() -> None:
    assert signer([key(1, START, START), key(2, START, None)], START + DAY) == key(1, START, START)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Database, SigningKeys]]:
    settings = HubSettings(data=tmp_path)
    with open_database(settings) as database:
        yield database, open_signing_keys(settings, database)


def states(signing: SigningKeys) -> list[State]:
    return [each.state for each in signing.all()]


def test_rotating_moves_all_keys_on(opened: tuple[Database, SigningKeys], tmp_path: Path) -> None:
    _, signing = opened
    name = signing.name
    assert states(signing) == [State.CURRENT, State.NEXT]
    was_next = signing.all()[1].kid
    assert signing.rotate(datetime.now(UTC)).kid == was_next
    assert states(signing) == [State.EARLIER, State.CURRENT, State.NEXT]
    signing.rotate(datetime.now(UTC))
    assert states(signing) == [State.EARLIER, State.EARLIER, State.CURRENT, State.NEXT]
    assert {file.stem for file in (tmp_path / "identity").iterdir()} == {each.kid for each in signing.all()}
    with open_database(HubSettings(data=tmp_path)) as again:
        assert open_signing_keys(HubSettings(data=tmp_path), again).name == name


def test_a_destroyed_key_is_shown_to_nobody_and_its_file_is_gone(
    opened: tuple[Database, SigningKeys], tmp_path: Path
) -> None:
    database, signing = opened
    current, following = signing.all()
    assert [each.state for each in signing.destroy(current.kid, datetime.now(UTC))] == [
        State.DESTROYED,
        State.CURRENT,
        State.NEXT,
    ]
    assert not (tmp_path / "identity" / f"{current.kid}.pem").exists()
    shown = [each["kid"] for each in database.read(signing.shown)]
    assert shown == [following.kid, signing.all()[2].kid]
    # The next one, then one that is destroyed already, then one of before: each leaves a hub that can sign.
    signing.destroy(shown[1], datetime.now(UTC))
    signing.destroy(shown[1], datetime.now(UTC))
    assert states(signing) == [State.DESTROYED, State.CURRENT, State.DESTROYED, State.NEXT]
    signing.rotate(datetime.now(UTC))
    signing.destroy(following.kid, datetime.now(UTC))
    assert states(signing) == [State.DESTROYED, State.DESTROYED, State.DESTROYED, State.CURRENT, State.NEXT]
    usable = {each.kid for each in signing.all() if each.state is not State.DESTROYED}
    assert {file.stem for file in (tmp_path / "identity").iterdir()} == usable
    with pytest.raises(NotFoundError, match="keys list"):
        signing.destroy("0" * 43, datetime.now(UTC))
    assert {file.stem for file in (tmp_path / "identity").iterdir()} == usable


def test_rotations_at_the_same_time_take_turns(opened: tuple[Database, SigningKeys], tmp_path: Path) -> None:
    _, signing = opened
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: signing.rotate(datetime.now(UTC)), range(4)))
    assert states(signing) == [State.EARLIER] * 4 + [State.CURRENT, State.NEXT]
    assert {file.stem for file in (tmp_path / "identity").iterdir()} == {each.kid for each in signing.all()}


def test_a_running_hub_follows_without_a_restart(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path / "hub")
    token, stranger = add_user(settings, ALICE), add_user(settings, "eve@example.com")
    device = {"device_key": "ab" * 32}

    def told(*arguments: str) -> list[str]:
        said = CliRunner().invoke(cloister, ["keys", *arguments, "--data", str(tmp_path)])
        assert said.exit_code == 0, said.output
        return said.output.splitlines()

    with RunningHub(settings) as hub, hub.client(token) as alice, hub.client(stranger) as eve:

        def pinned() -> KeySet:
            return KeySet.import_key_set(alice.get("/.well-known/jwks.json").json())

        def signed_by(keys: KeySet, room: str | None) -> bool:
            answer = alice.post("/v1/identity", json=device | ({} if room is None else {"room": room}))
            assert answer.is_success, answer.text
            try:
                jwt.decode(answer.json()["token"], keys, algorithms=["Ed25519"])
            except (JoseError, ValueError):
                return False
            return True

        old_room, old_keys = fresh_id(), pinned()
        assert alice.put(f"/v1/rooms/{old_room}", json={"participants": [ALICE]}).is_success
        assert len(told("rotate")) == 3
        # The key that the room has pinned as the next one signs now, for all.
        assert signed_by(old_keys, old_room)
        assert signed_by(old_keys, None)
        told("rotate")
        new_keys = pinned()
        assert signed_by(old_keys, old_room)
        assert signed_by(new_keys, None)
        assert not signed_by(old_keys, None)
        # Thefts: one of the room's keys, then the other.
        first, second, *_ = [line.split()[0] for line in told("list")]
        told("destroy", second)
        assert signed_by(old_keys, old_room)
        assert "destroyed" in told("destroy", first)[0]
        refused = alice.post("/v1/identity", json=device | {"room": old_room})
        assert refused.status_code == 409
        assert "Devices that the room knows already can go on" in refused.json()["error"]["message"]
        # Who isn't invited learns nothing of the room.
        assert eve.post("/v1/identity", json=device | {"room": old_room}).is_success
        assert alice.post("/v1/identity", json=device | {"room": fresh_id()}).is_success
        assert alice.post("/v1/identity", json=device | {"room": "no id"}).status_code == 400
