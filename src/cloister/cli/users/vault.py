"""`cloister vault`: which machines of a user see the keys that they keep."""

from __future__ import annotations

import click

from cloister.cli.shown import document, moment, remark, table, tell
from cloister.cli.users.session import Session, as_user, json_option


@click.group()
def vault() -> None:
    """Your vault in the enclave, which keeps your datasets' names and keys, and the machines that may open it.

    \b
        cloister vault show
    """


@vault.command(short_help="Show its id, and the machines that may open it.")
@json_option
@as_user
def show(session: Session, as_json: bool) -> None:
    """Show your vault's id, and the device keys of the machines that may open it.

    \b
        cloister vault show

    On a new machine of yours, set CLOISTER_VAULT to the id; then let an older one `cloister vault admit` it.
    """
    client = session.client
    shown, devices = client.vault_id, client.vault_keys()
    if as_json:
        document({"id": shown, "devices": devices})
        return
    tell(f"vault  {shown}")
    rows = [
        (
            each["key"],
            "sees keys" if each["admitted"] else "not admitted",
            moment(each["boundAt"]),
            "this machine" if each["key"] == client.device_key else "",
        )
        for each in devices
    ]
    tell(table(("DEVICE KEY", "STATE", "SINCE (UTC)", ""), rows))


@vault.command(short_help="Let another machine of yours see the keys.")
@click.argument("key")
@json_option
@as_user
def admit(session: Session, key: str, as_json: bool) -> None:
    """Let another machine of yours see the keys in your vault. KEY is what `cloister whoami` shows there: compare it.

    \b
        cloister vault admit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    """
    session.client.admit_device(key)
    if as_json:
        document({"admitted": key})
    else:
        remark("It sees your keys now.")


@vault.command(short_help="Put a machine out of your vault, for good.")
@click.argument("key")
@json_option
@as_user
def dismiss(session: Session, key: str, as_json: bool) -> None:
    """Put a machine out of your vault, for good: one that was lost, or that you don't know. KEY is its device key.

    \b
        cloister vault dismiss 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    """
    session.client.dismiss_device(key)
    if as_json:
        document({"dismissed": key})
    else:
        remark("It is out.")
