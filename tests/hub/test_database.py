"""The database's own promises: migrations, and transactions that don't trip over each other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateTable

from cloister import hub
from cloister.hub import tokens
from cloister.hub.database import Database, open_database
from cloister.hub.schema import ACCOUNT, Base, BlobRow, InvitationRow, PartRow, PrincipalRow, UploadRow
from cloister.hub.settings import HubSettings


def principal(name: str, moment: datetime | None = None) -> PrincipalRow:
    return PrincipalRow(
        id=tokens.new_id(), kind=ACCOUNT, name=name, created_at=moment or datetime.now(UTC), stored_bytes=0
    )


def test_the_migrations_make_what_the_models_say(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path)
    open_database(settings).close()
    engine = create_engine(f"sqlite:///{settings.sqlite_file}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def test_what_is_kept_is_counted_anew_when_parts_count_otherwise(tmp_path: Path) -> None:
    """As 0006 has left it: in bytes, and not in what small parts count for."""
    settings = HubSettings(data=tmp_path)
    open_database(settings).close()
    now = datetime.now(UTC)
    engine = create_engine(f"sqlite:///{settings.sqlite_file}")
    config = Config()
    config.set_main_option("script_location", str(Path(hub.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")

    def upload(owner: PrincipalRow, size: int, settled: bool) -> UploadRow:
        place = {"blob_id": "ab" * 32, "folder": "f", "number": 0, "sha256": "cd" * 32, "object_key": "k"}
        ticket = tokens.new_id()
        return UploadRow(ticket=ticket, owner_id=owner.id, size=size, settled=settled, expires_at=now, **place)

    with Session(engine) as session, session.begin():
        alice, bob = principal("alice@b"), principal("bob@b")
        session.add_all([alice, bob])
        session.flush()
        session.add(BlobRow(id="ab" * 32, owner_id=alice.id, folder="f", complete=True, touched_at=now))
        session.flush()
        for number, size in enumerate((1, 0, 65_536, 8_000_000)):
            session.add(PartRow(blob_id="ab" * 32, number=number, size=size, sha256="cd" * 32, object_key="k"))
        session.add_all([upload(alice, 5, False), upload(alice, 70_000, False), upload(alice, 6, True)])

    def stored(step: Callable[[Config, str], None], revision: str) -> list[int]:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            step(config, revision)
            rows = connection.execute(select(PrincipalRow.stored_bytes).order_by(PrincipalRow.name))
            return list(rows.scalars())

    assert stored(command.downgrade, "0006") == [1 + 65_536 + 8_000_000 + 5 + 70_000, 0]
    assert stored(command.upgrade, "0007") == [65_536 * 3 + 8_000_000 + 65_536 + 70_000, 0]
    engine.dispose()


def test_the_tables_can_be_made_on_postgresql() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in Base.metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=dialect)).strip().startswith("CREATE TABLE")


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path / "100% data")
    with open_database(settings) as database:
        database.write(lambda session: session.add(principal("a@b")))
    with open_database(settings) as database:
        assert database.read(lambda session: session.scalar(select(func.count(PrincipalRow.id)))) == 1


def test_sqlite_is_set_to_keep_its_word(tmp_path: Path) -> None:
    with open_database(HubSettings(data=tmp_path)) as database:

        def pragma(name: str) -> object:
            return database.read(lambda session: session.execute(text(f"PRAGMA {name}")).scalar_one())

        assert (pragma("journal_mode"), pragma("foreign_keys"), pragma("synchronous")) == ("wal", 1, 2)
        with pytest.raises(IntegrityError) as caught:
            database.write(lambda session: session.add(InvitationRow(room_id="no room", email="private@b")))
        # What was to be stored must not reach a log by way of the error.
        assert "private" not in str(caught.value)


def test_moments_are_kept_in_utc(tmp_path: Path) -> None:
    there = timezone(timedelta(hours=5))
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, there)
    with open_database(HubSettings(data=tmp_path)) as database:
        database.write(lambda session: session.add(principal("a@b", moment)))
        kept = database.read(lambda session: session.scalars(select(PrincipalRow.created_at)).one())
    assert kept == moment
    assert kept.tzinfo is UTC


def test_transactions_that_read_and_then_write_take_turns(tmp_path: Path) -> None:
    with open_database(HubSettings(data=tmp_path)) as database:
        row = principal("a@b")
        identifier = row.id
        database.write(lambda session: session.add(row))

        def count_up(_round: int) -> None:
            def work(session: Session) -> None:
                found = session.get_one(PrincipalRow, identifier)
                found.stored_bytes += 1

            database.write(work)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(count_up, range(200)))
        assert database.read(lambda session: session.get_one(PrincipalRow, identifier).stored_bytes) == 200


def test_who_comes_second_finds_what_the_first_has_made(tmp_path: Path) -> None:
    """On databases where two may insert at once, the second meets a violated constraint and looks again."""
    settings = HubSettings(data=tmp_path)
    with open_database(settings) as database, open_database(settings) as other:
        rounds: list[int] = []

        def find_or_make(session: Session) -> str:
            rounds.append(len(rounds))
            found = None
            if len(rounds) > 1:
                found = session.scalars(select(PrincipalRow).where(PrincipalRow.name == "a@b")).one_or_none()
            if found is None:
                found = principal("a@b")
                session.add(found)
                session.flush()
            return found.id

        first = principal("a@b")
        first_id = first.id
        other.write(lambda session: session.add(first))
        assert database.write(find_or_make) == first_id
        assert rounds == [0, 1]


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    def fail(session: Session) -> None:
        session.add(principal("a@b"))
        session.flush()
        raise LookupError

    with open_database(HubSettings(data=tmp_path)) as database:
        with pytest.raises(LookupError):
            database.write(fail)
        assert database.read(lambda session: session.scalar(select(func.count(PrincipalRow.id)))) == 0


def test_another_database_can_be_named(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.sqlite3"
    settings = HubSettings(data=tmp_path / "data", database_url=f"sqlite:///{elsewhere}")
    database: Database
    with open_database(settings) as database:
        database.write(lambda session: session.add(principal("a@b")))
    assert elsewhere.exists()
    assert not settings.sqlite_file.exists()
