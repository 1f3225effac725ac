"""What several commands take: the hub on whose files they work, and URLs that hold a password."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from cloister.cli.operators.config import configured
from cloister.cli.operators.layout import Layout
from cloister.cli.operators.settings import HUB_DATA, UP_DATA, hub_settings
from cloister.cli.setting import FOLDER, picked
from cloister.errors import CloisterError
from cloister.hub.settings import HubSettings

F = TypeVar("F", bound=Callable[..., object])

_HUB_DATA = dataclasses.replace(HUB_DATA, option="hub-data", required=False, shown=False)
_UP_DATA = dataclasses.replace(UP_DATA, option="up-data", required=False, shown=False)


def on_hub(function: F) -> F:
    """Decorates a command that works on the hub's own files and database: it takes ``--data`` or ``--config``, and is
    given to `hub_of` what it is called with."""
    others = [dataclasses.replace(each, required=False, shown=False) for each in hub_settings() if each != HUB_DATA]
    configured((_HUB_DATA, _UP_DATA, *others), logs=False)(function)
    option = click.option("--data", type=FOLDER, help="The folder given to `cloister up`, or to `cloister hub`.")
    return option(function)


def hub_of(parameters: dict[str, Any]) -> HubSettings:
    """The settings of the hub that is meant: by ``--data``, else by the environment or the file.

    Raises:
        click.UsageError: none is.
    """
    return HubSettings(data=_folder(parameters), **hub_fields(parameters))


def _folder(parameters: dict[str, Any]) -> Path:
    data: Path | None = parameters["data"]
    if data is not None:
        # A hub that was started alone has its files in the folder itself.
        return data if (data / "hub.lock").exists() else Layout(data).hub_settings().data
    if parameters["hub_data"] is not None:
        return Path(parameters["hub_data"])
    if parameters["up_data"] is not None:
        return Layout(parameters["up_data"]).hub_settings().data
    raise click.UsageError("Name the hub's folder with --data, or its configuration with --config.")


def hub_fields(parameters: dict[str, Any]) -> dict[str, Any]:
    """What of a command's parameters the hub's settings take, but for its folder.

    Raises:
        CloisterError: a password stands where others can read it, or both places name a database.
    """
    given = picked(HubSettings, parameters)
    given.pop("data", None)
    given["database_url"] = secret_url(
        given.get("database_url"), parameters["database_url_file"], "database_url", "database_url_file"
    )
    return given


def secret_url(url: str | None, file: Path | None, name: str, file_name: str) -> str | None:
    """A URL from a setting, or from the file that holds it because it has a password.

    Raises:
        CloisterError: it has a password and no file of its own, or both are given.
    """
    if file is not None and url is not None:
        raise CloisterError(f"Both {name} and {file_name} are set. Keep one of them.")
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise CloisterError(f"{file}, named by {file_name}, can't be read.") from None
    if url is not None and _has_password(url):
        raise CloisterError(
            f"{name} holds a password, which others may read in files, command lines and environments. Put the whole "
            f"URL into a file that only this user can read, and name that by {file_name}."
        )
    return url


def _has_password(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.password is not None or "password=" in parts.query
