"""`cloister backup` and `cloister restore`: an installation of `cloister up`, copied while it runs and put back."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from cloister.cli.operators.layout import Layout
from cloister.cli.setting import FILE, FOLDER
from cloister.copies import copy_file
from cloister.enclave.backup import backup_store, declare_restored, restore_store
from cloister.errors import CloisterError
from cloister.hub.backup import backup_hub, restore_hub

_STORE = "rooms.db"
_KEY = "sealing.key"
_DONE = "backup.json"


@click.command()
@click.argument("data", type=FOLDER)
@click.argument("target", type=FOLDER)
def backup(data: Path, target: Path) -> None:
    """Copy the installation in DATA to TARGET, while it runs. Again to the same TARGET copies what is new.

    The enclave's store comes first, then the hub's database, then the ciphertext: so all that a room needs is there.
    What users have deleted goes from TARGET too.

    The sealing key is not copied. Keep it apart (DATA/enclave/sealing.key): without it the backup's rooms can't be
    read, not by you either; with it, they can.
    """
    layout, copy = Layout(data), Layout(target)
    if not (layout.enclave / _STORE).exists():
        raise CloisterError(f"There is no installation in {data}. Name the folder given to `cloister up`.")
    began = datetime.now(UTC)
    (target / _DONE).unlink(missing_ok=True)
    backup_store(layout.enclave / _STORE, copy.enclave / _STORE)
    copied = backup_hub(layout.hub_settings(), copy.hub_settings().data)
    (target / _DONE).write_text(json.dumps({"version": 1, "began": began.isoformat(timespec="seconds")}) + "\n")
    click.echo(f"{copied.parts} parts of blobs, {copied.fresh} of them new, as of {began:%Y-%m-%d %H:%M:%S} UTC")
    if copied.gone:
        click.echo(f"{copied.gone} parts were deleted meanwhile", err=True)


@click.command()
@click.argument("data", type=FOLDER, required=False)
@click.option("--from", "source", type=FOLDER, help="The backup: the TARGET of `cloister backup`.")
@click.option("--sealing-key", type=FILE, help="The sealing key, from where you keep it; put into DATA.")
@click.option("--declare-only", is_flag=True, help="DATA was put back by other means: only declare that.")
@click.option("--store-file", type=FILE, help="Only declare that, for the PostgreSQL store whose URL is in this file.")
def restore(
    data: Path | None, source: Path | None, sealing_key: Path | None, declare_only: bool, store_file: Path | None
) -> None:
    """Put a backup into DATA, a folder without an installation, and declare that to all rooms.

    Each room says so in its log, for all participants, when it is next used. Where nothing was lost, that is all. Who
    has seen more than the backup holds gets RollbackDetected, is told of your declaration, and decides whether to
    accept it. A store that is put back without a declaration looks like an attack.

    What was done at the hub since the backup is undone too: end tokens again that you have revoked since, disable
    accounts again, and destroy signing keys again. So it is with machines that users have dismissed from their vaults:
    they must dismiss them again.
    """
    now = time.time_ns() // 1_000_000
    if store_file is not None:
        declare_restored(store_file.read_text(encoding="utf-8").strip(), now)
        _told("Declared.")
        return
    if data is None:
        raise click.UsageError("Name the folder of the installation.")
    layout = Layout(data)
    if declare_only == (source is not None):
        raise click.UsageError("Name the backup with --from; or say --declare-only, if DATA was put back already.")
    if source is None:
        with _alone(layout):
            declare_restored(layout.enclave / _STORE, now)
        _told("Declared.")
        return
    copy = Layout(source)
    if not (source / _DONE).exists():
        raise CloisterError(f"{source} holds no backup that was brought to its end. Take another.")
    began = json.loads((source / _DONE).read_text())["began"]
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(layout):
        if (layout.enclave / _STORE).exists():
            raise CloisterError(f"There is an installation in {data}. Move it away, or name another folder.")
        restore_hub(copy.hub_settings().data, layout.hub_settings())
        if sealing_key is not None:
            copy_file(sealing_key, layout.enclave / _KEY)
        # Last: from here on it can be started.
        restore_store(copy.enclave / _STORE, layout.enclave / _STORE, now)
    _told(f"Restored as of {began}.")
    if not (layout.enclave / _KEY).exists():
        click.echo(f"Now put the sealing key into {layout.enclave / _KEY}, before you start it.", err=True)


def _told(what: str) -> None:
    click.echo(f"{what} Each room will say so when it is next used.")
    click.echo(
        "Machines that users have dismissed from their vaults since the backup are in them again. Tell users to "
        "dismiss them anew.",
        err=True,
    )


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """While the block lasts, no installation starts on the folder.

    Raises:
        CloisterError: one is running.
    """
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise CloisterError(f"Cloister is running on {layout.data}. Stop it first.") from None
    finally:
        os.close(descriptor)
