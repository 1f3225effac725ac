"""Settings: declared once; from options, the environment, a file, or defaults; nothing misspelt, nothing secret."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cloister.cli import cloister
from cloister.cli.operators.config import load
from cloister.cli.operators.config_command import found, lines
from cloister.cli.operators.options import secret_url
from cloister.cli.operators.settings import WORKER, enclave_settings, hub_settings, sections, up_settings
from cloister.enclave.settings import EnclaveSettings
from cloister.errors import CloisterError
from cloister.hub.settings import HubSettings
from tests.documents import ROOT

SAMPLE = ROOT / "deploy/cloister.toml"


def written(folder: Path, text: str) -> Path:
    file = folder / "cloister.toml"
    file.write_text(text)
    return file


def values(part: str, file: Path | None) -> dict[str, tuple[object, str]]:
    return {setting.name: (value, source) for setting, value, source in found(sections()[part], file)}


def test_the_sample_is_what_the_declarations_say() -> None:
    """`cloister config sample > deploy/cloister.toml` brings it up to date."""
    assert SAMPLE.read_text() == "\n".join(lines()) + "\n"


def test_the_sample_sets_nothing_and_would_be_taken_with_all_its_lines(tmp_path: Path) -> None:
    assert all(not table for table in tomllib.loads(SAMPLE.read_text()).values())
    text = SAMPLE.read_text().partition("[up]")[2]
    keys = {setting.name for settings in sections().values() for setting in settings}
    uncommented = [
        line.removeprefix("# ") if line.removeprefix("# ").partition(" = ")[0] in keys else line
        for line in ("[up]" + text).splitlines()
    ]
    tables = load(written(tmp_path, "\n".join(uncommented)))
    assert {name: set(table) for name, table in tables.items()} == {
        name: {setting.name for setting in settings} for name, settings in sections().items()
    }


@pytest.mark.parametrize(("part", "settings"), [("hub", HubSettings), ("enclave", EnclaveSettings)])
def test_everything_that_a_part_can_be_told_is_a_setting(part: str, settings: type) -> None:
    assert {field.name for field in dataclasses.fields(settings)} <= {each.name for each in sections()[part]}


@pytest.mark.parametrize("part", ["up", "hub", "enclave", "worker"])
def test_commands_take_what_is_declared(part: str) -> None:
    command = cloister.get_command(click.Context(cloister), part)
    assert command is not None
    declared = {"up": up_settings(), "hub": hub_settings(), "enclave": enclave_settings(), "worker": WORKER}[part]
    options = {each.name: each for each in command.params}
    for setting in declared:
        assert options[setting.parameter].envvar == setting.variable
    assert {"config", "log_format", "log_level"} <= options.keys()


def test_what_counts_before_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, '[hub]\nport = 1\nhost = "a"\ninsecure_http = true\n[log]\nformat = "json"\n')
    assert values("hub", file)["port"] == (1, "file")
    assert values("hub", file)["insecure_http"] == (True, "file")
    assert values("hub", file)["grace"] == (10.0, "default")
    monkeypatch.setenv("CLOISTER_HUB_PORT", "2")
    assert values("hub", file)["port"] == (2, "environment")
    assert values("hub", file)["host"] == ("a", "file")
    assert values("log", file)["format"] == ("json", "file")


def test_an_option_counts_before_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown by how it fails: with the port that counts."""
    file = written(tmp_path, f'[hub]\ndata = "{tmp_path}"\nenclave_url = "http://127.0.0.1:1"\nport = 99999\n')
    told = CliRunner().invoke(cloister, ["hub", "--config", str(file)])
    assert (told.exit_code, "99999 is not in the range" in told.output) == (2, True)
    monkeypatch.setenv("CLOISTER_HUB_PORT", "99998")
    assert "99998 is not in the range" in CliRunner().invoke(cloister, ["hub", "--config", str(file)]).output
    assert (
        "99997 is not in the range"
        in CliRunner().invoke(cloister, ["hub", "--config", str(file), "--port", "99997"]).output
    )


def test_lists_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t").touch()
    file = written(tmp_path, '[worker]\nimage = ["python", "r"]\ntoken_file = "t"\n')
    assert values("worker", file)["image"] == (("python", "r"), "file")
    assert values("worker", file)["token_file"] == (tmp_path / "t", "file")
    monkeypatch.setenv("CLOISTER_WORKER_IMAGE", "one two")
    assert values("worker", file)["image"] == (("one", "two"), "environment")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[hub]\nprot = 1\n", r"wrong in \[hub\]: Object contains unknown field `prot`"),
        ("[Hub]\nport = 1\n", r"'Hub', which is unknown. It may have the tables \[up\], \[hub\]"),
        ("port = 1\n", "'port', which is unknown"),
        ('[hub]\nport = "1"\n', r"wrong in \[hub\]: Expected `int.*`, got `str` - at `\$.port`"),
        ("[hub]\nhost = 1\n", r"Expected `str.*`, got `int` - at `\$.host`"),
        ("[worker]\nimage = 1\n", r"at `\$.image`"),
        ("[hub]\nport = \n", "is not TOML"),
        ("[enclave]\npassword = 'x'\n", "unknown field `password`"),
    ],
)
def test_what_is_wrong_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CloisterError, match=words):
        load(written(tmp_path, text))


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(CloisterError, match="can't be read: No such file"):
        load(tmp_path / "none")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(CloisterError, match="is not TOML"):
        load(tmp_path / "bytes")


def test_a_typing_error_in_another_parts_table_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(CloisterError, match=r"\[enclave\]"):
        values("hub", written(tmp_path, "[enclave]\nprot = 1\n"))


class TestSecrets:
    """Never in the file, the environment or the command line."""

    @pytest.mark.parametrize(
        "url", ["postgresql://hub:geheim@db/hub", "postgresql://db/hub?password=geheim&sslmode=require"]
    )
    def test_a_url_with_a_password_is_refused_and_not_repeated(self, url: str) -> None:
        with pytest.raises(CloisterError, match="holds a password") as caught:
            secret_url(url, None, "database_url", "database_url_file")
        assert "geheim" not in str(caught.value)

    def test_a_file_holds_it(self, tmp_path: Path) -> None:
        file = tmp_path / "url"
        file.write_text("postgresql://hub:geheim@db/hub\n")
        assert secret_url(None, file, "a", "b") == "postgresql://hub:geheim@db/hub"
        with pytest.raises(CloisterError, match="Both a and b are set"):
            secret_url("postgresql://db", file, "a", "b")

    def test_without_a_password_it_may_stand_anywhere(self) -> None:
        assert secret_url("postgresql://hub@db/hub", None, "a", "b") == "postgresql://hub@db/hub"
        assert secret_url(None, None, "a", "b") is None


class TestWhichHub:
    """`cloister user` and its like find the hub's store."""

    def run(self, *words: str) -> tuple[int, str]:
        told = CliRunner().invoke(cloister, words)
        return told.exit_code, told.output

    def test_of_an_installation_and_of_a_hub_alone(self, tmp_path: Path) -> None:
        code, token = self.run("user", "add", "a@example.org", "--data", str(tmp_path / "up"))
        assert (code, len(token.strip())) == (0, 44)
        assert (tmp_path / "up/hub/hub.sqlite3").exists()
        file = written(tmp_path, '[hub]\ndata = "alone"\n')
        assert self.run("user", "add", "a@example.org", "--config", str(file))[0] == 0
        assert (tmp_path / "alone/hub.sqlite3").exists()
        # The same folder by name: a hub's own, not one that holds another.
        assert self.run("worker-token", "add", "w1", "--data", str(tmp_path / "alone"))[0] == 0
        assert not (tmp_path / "alone/hub").exists()
        assert "w1" in self.run("worker-token", "list", "--config", str(file))[1]
        assert self.run("worker-token", "revoke", "w1", "--config", str(file))[0] == 0

    def test_by_the_folder_of_up_in_the_file(self, tmp_path: Path) -> None:
        file = written(tmp_path, '[up]\ndata = "all"\n')
        assert self.run("user", "add", "a@example.org", "--config", str(file))[0] == 0
        assert (tmp_path / "all/hub/hub.sqlite3").exists()

    def test_none_is_named(self) -> None:
        code, told = self.run("user", "add", "a@example.org")
        assert (code, "--data, or its configuration with --config" in told) == (2, True)

    def test_a_worker_without_a_token_is_told_how_to_get_one(self) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "CLOISTER_WORKER_TOKEN"}
        command = [sys.executable, "-m", "cloister.cli", "worker", "--hub", "http://127.0.0.1:1"]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert (ran.returncode, "worker-token add" in ran.stderr) == (1, True)
