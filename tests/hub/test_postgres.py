"""The hub on PostgreSQL: what it promises on SQLite it keeps there too, also when the database goes away."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from cloister.errors import CloisterError
from cloister.hub.accounts import add_user, revoke_user_tokens
from cloister.hub.database import DatabaseFailed, open_database
from cloister.hub.schema import ACCOUNT, Base, PrincipalRow
from cloister.hub.settings import KIB, HubSettings
from cloister.hub.signing import open_signing_keys
from tests.hub.peers import RunningHub, fresh_id
from tests.hub.test_blobs import complete, info, put
from tests.hub.test_database import principal
from tests.postgres import PostgresServer


@pytest.fixture
def settings(postgres: PostgresServer, tmp_path: Path) -> HubSettings:
    return HubSettings(data=tmp_path, database_url=postgres.fresh(), stored_bytes=500 * KIB)


@pytest.fixture
def away(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """The server, for tests that stop it."""
    yield postgres
    postgres.stop()
    postgres.start()


def test_the_migrations_make_what_the_models_say(settings: HubSettings) -> None:
    open_database(settings).close()
    assert settings.database_url is not None
    engine = create_engine(settings.database_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def test_hubs_that_start_at_once_migrate_in_turn(settings: HubSettings, tmp_path: Path) -> None:
    """Each on a machine of its own: a lock on a file is of no use."""
    machines = [HubSettings(data=tmp_path / str(number), database_url=settings.database_url) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for database in pool.map(open_database, machines):
            database.close()


def test_transactions_that_read_and_then_write_take_turns(settings: HubSettings) -> None:
    row = principal("a@b")
    identifier = row.id

    def count_up(_round: int) -> None:
        def work(session: Session) -> None:
            found = session.get_one(PrincipalRow, identifier, with_for_update=True)
            found.stored_bytes += 1

        database.write(work)

    with open_database(settings) as database:
        database.write(lambda session: session.add(row))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(count_up, range(200)))
        assert database.read(lambda session: session.get_one(PrincipalRow, identifier).stored_bytes) == 200


def test_transactions_that_stand_in_each_others_way_are_tried_again(settings: HubSettings) -> None:
    """Each locks one row and then the other's: the database ends one of them, which then comes second."""
    rows = [principal("a@b"), principal("b@b")]
    names = [row.id for row in rows]

    def both(order: list[str]) -> None:
        def work(session: Session) -> None:
            for name in order:
                session.get_one(PrincipalRow, name, with_for_update=True).stored_bytes += 1

        database.write(work)

    with open_database(settings) as database:
        database.write(lambda session: session.add_all(rows))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(both, [names, names[::-1]] * 4))
        found = database.read(lambda session: session.scalars(select(PrincipalRow.stored_bytes)).all())
    assert found == [8, 8]


def test_accounts_are_made_once_however_many_ask(settings: HubSettings) -> None:
    with ThreadPoolExecutor(4) as pool:
        tokens = list(pool.map(lambda _: add_user(settings, "alice@example.com"), range(4)))
    assert len(set(tokens)) == 4
    with open_database(settings) as database:
        found = database.read(lambda session: session.scalars(select(PrincipalRow.kind)).all())
    assert found == [ACCOUNT]
    assert revoke_user_tokens(settings, "alice@example.com") == 4


def test_side_by_side_parts_keep_to_the_bound_together(settings: HubSettings) -> None:
    with RunningHub(settings) as hub, hub.client(add_user(settings, "a@example.com")) as alice:
        blob = fresh_id()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda index: put(alice, blob, index, bytes(100 * KIB)), range(16)))
        assert sorted({answer.status_code for answer in answers}) == [201, 413]
        assert [answer.status_code for answer in answers].count(201) == 5


def test_of_two_who_claim_a_blob_one_has_it(settings: HubSettings) -> None:
    tokens = [add_user(settings, f"{name}@example.com") for name in ("alice", "bob")]
    with RunningHub(settings) as hub, hub.client(tokens[0]) as alice, hub.client(tokens[1]) as bob:
        for _ in range(5):
            blob = fresh_id()
            with ThreadPoolExecutor(2) as pool:
                answers = list(pool.map(lambda who: put(who, blob, 0, b"mine"), [alice, bob]))  # noqa: B023
            assert sorted(answer.status_code for answer in answers) == [201, 403]


def test_two_hubs_on_one_database_are_one(settings: HubSettings) -> None:
    token, blob = add_user(settings, "alice@example.com"), fresh_id()
    with (
        RunningHub(settings) as here,
        RunningHub(settings) as there,
        here.client(token) as alice,
        there.client(token) as again,
    ):
        assert put(alice, blob, 0, b"first").status_code == 201
        assert put(again, blob, 1, b"second").status_code == 201
        assert complete(alice, blob, 2).status_code == 200
        assert again.get(f"/v1/blobs/{blob}").json()["parts"] == [info(0, b"first"), info(1, b"second")]


def test_a_hub_without_the_keys_of_the_others_does_not_start(settings: HubSettings, tmp_path: Path) -> None:
    with open_database(settings) as database:
        open_signing_keys(settings, database)
        open_signing_keys(settings, database).check()
        alone = replace(settings, data=tmp_path / "other")
        with pytest.raises(CloisterError, match=r"name the folder that the other hubs of this database have\."):
            open_signing_keys(alone, database)


def test_while_the_database_is_away_the_hub_says_when_to_try_again(settings: HubSettings, away: PostgresServer) -> None:
    token, blob, body = add_user(settings, "alice@example.com"), fresh_id(), secrets.token_bytes(50)
    with RunningHub(settings) as hub, hub.client(token) as alice:
        assert put(alice, blob, 0, body).status_code == 201
        away.stop()
        for answer in (alice.get("/v1/me"), put(alice, blob, 1, body), alice.get("/v1/rooms")):
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert answer.json()["error"]["code"] == "unavailable"
            assert "Try again in a few seconds" in answer.json()["error"]["message"]
            assert away.password not in answer.text
        away.start()
        # At once, by itself, and with nothing lost.
        assert alice.get("/v1/me").json()["email"] == "alice@example.com"
        assert put(alice, blob, 1, body).status_code == 201
        assert complete(alice, blob, 2).status_code == 200
        assert alice.get(f"/v1/blobs/{blob}/parts/0").content == body


def test_connections_that_were_cut_are_made_anew(settings: HubSettings, postgres: PostgresServer) -> None:
    with RunningHub(settings) as hub, hub.client(add_user(settings, "alice@example.com")) as alice:
        for _ in range(5):
            assert alice.get("/v1/me").status_code == 200
            postgres.end_connections()


@pytest.mark.parametrize("description", ["a\0b", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")])
def test_text_that_postgresql_does_not_take_is_no_failure(settings: HubSettings, description: str) -> None:
    expected = 400 if "\0" in description else 201
    with RunningHub(settings) as hub, hub.client(add_user(settings, "alice@example.com")) as alice:
        assert alice.post("/v1/tokens", json={"description": description}).status_code == expected


def test_a_database_that_is_not_there_is_said_without_its_password(tmp_path: Path) -> None:
    for url in ("postgresql://hub:secret@127.0.0.1:1/hub", "postgresql+nothing://hub:secret@x/hub", "secret"):
        with pytest.raises(CloisterError, match=r"database (URL )?can't be used") as caught:
            open_database(HubSettings(data=tmp_path, database_url=url))
        assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r}"
    with pytest.raises(DatabaseFailed):
        open_database(HubSettings(data=tmp_path, database_url="postgresql://127.0.0.1:1/hub"))
