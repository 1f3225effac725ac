"""What the documents say about commands and settings is what there is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import get_args

import click
import pytest
from click.testing import CliRunner

import cloister as public
from cloister import analytics
from cloister.cli import cloister
from cloister.hub.app import create_app
from cloister.hub.settings import HubSettings
from cloister.rooms import events, vault
from tests.documents import ROOT, blocks, documents

_VARIABLE = re.compile(r"\b(?:CLOISTER|DECENTRIQ)_[A-Z_]+[A-Z]\b")
_FORMATS = ROOT / "docs/formats.md"
_SOURCES = ("src", "setup", "compat/src", "Makefile")


def help_texts() -> dict[str, str]:
    """What every command says to ``--help``, by the command's full name."""
    texts = {}
    pending: list[tuple[list[str], click.Command]] = [([], cloister)]
    while pending:
        words, command = pending.pop(0)
        told = CliRunner().invoke(cloister, [*words, "--help"], prog_name="cloister", terminal_width=80)
        assert told.exit_code == 0
        texts[" ".join(["cloister", *words])] = told.output
        if isinstance(command, click.Group):
            context = click.Context(command)
            found = [(each, command.get_command(context, each)) for each in command.list_commands(context)]
            pending[:0] = [([*words, each], child) for each, child in found if child is not None]
    return texts


def test_every_command_is_documented_as_it_is() -> None:
    documented = {block.name: block.text for block in blocks("docs/cli.md") if block.language == "text"}
    assert documented == {f"{name} --help": text for name, text in help_texts().items()}


def test_every_setting_is_documented() -> None:
    read = set()
    for name in _SOURCES:
        path = ROOT / name
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file() and file.suffix in ("", ".py", ".toml"):
                read.update(_VARIABLE.findall(file.read_text()))
    table = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs/operating.md").read_text(), flags=re.MULTILINE)
    assert sorted(table) == sorted(read)


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (document.parent / path).resolve() if path else document
        assert there.exists(), f"{document.name} links to {target}"
        if anchor:
            assert anchor in _anchors(there), f"{document.name} links to {target}"


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_and_tests_that_are_named_exist(document: Path) -> None:
    """Names in backticks that look like a path of this checkout, and tests as ``path::name``."""
    missing = []
    for name in re.findall(
        r"`((?:src|tests|images|setup|docs|compat|requirements)/[\w./-]+(?:::\w+)?)`", document.read_text()
    ):
        path, _, test = name.partition("::")
        file = ROOT / path
        if not file.exists() or (test and f"def {test}(" not in file.read_text()):
            missing.append(name)
    assert not missing


def test_nothing_documented_is_left_out_of_the_checkout() -> None:
    listing = subprocess.run(["git", "ls-files", "docs"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*") if path.is_file()}
    assert there == set(listing.split())


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_public_name_of_the_sdk_is_documented() -> None:
    names = set(public.__all__) | set(analytics.__all__) - {"NodeDefinition"}
    for kind in (public.Client, *(getattr(analytics, name) for name in analytics.__all__)):
        inherited = set(dir(str)) if isinstance(kind, type) and issubclass(kind, str) else set()
        names.update(name for name in dir(kind) if not name.startswith("_") and name not in inherited)
    text = (ROOT / "docs/sdk.md").read_text()
    assert not [name for name in sorted(names - {"__version__"}) if not re.search(rf"`[^`]*\b{name}\b[^`]*`", text)]


def test_every_label_is_documented() -> None:
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    used = set(re.findall(r"""["'](cloister/[a-z-]+/v\d)["']""", source))
    used.update(f"cloister/{kind}/v1" for kind in re.findall(r'(?<!\w)_info\("(\w+)"', source))
    assert set(re.findall(r"^\| `(cloister/[\w/-]+)` \|", _FORMATS.read_text(), flags=re.MULTILINE)) == used


def test_every_event_is_documented_with_its_fields() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ?(.*?) ?\|$", _FORMATS.read_text(), flags=re.MULTILINE)
    documented = {kind: tuple(re.findall(r"`(\w+)`", fields)) for kind, fields in rows}
    kinds = (*get_args(events.Body), *get_args(vault.VaultBody))
    assert documented == {kind.__struct_config__.tag: kind.__struct_fields__ for kind in kinds}


def test_the_hubs_operations_are_documented(tmp_path: Path) -> None:
    rows = re.findall(r"^\| `([A-Z]+) (/[^`?]*)", (ROOT / "docs/http.md").read_text(), flags=re.MULTILINE)
    documented = {(method, re.sub(r"{\w+}", "{}", path)) for method, path in rows}
    application = create_app(HubSettings(data=tmp_path / "hub"))
    described = {
        (method.upper(), re.sub(r"{\w+}", "{}", path))
        for path, operations in application.openapi()["paths"].items()
        for method in operations
    }
    application.state.services.database.close()
    assert documented == described | {("GET", "/openapi.json")}
