"""A user who types commands, on a machine (a state folder) of their own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from cloister.cli import cloister, exit_code, message
from cloister.errors import CloisterError

CLEAN = {"CLOISTER_URL": None, "CLOISTER_TOKEN": None, "DECENTRIQ_HOST": None, "CLOISTER_DEVICE_PASSPHRASE": None}


@dataclass
class Ran:
    """What a command has said."""

    code: int
    output: str
    errors: str

    @property
    def document(self) -> Any:
        return json.loads(self.output)


@dataclass
class User:
    """Commands run in this process; errors end as `cloister.cli.main` ends them."""

    email: str
    token: str
    url: str
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def do(self, *words: str, typed: str | None = None, **environment: str) -> Ran:
        """Runs a command."""
        set_to = {
            **CLEAN,
            "CLOISTER_HOME": str(self.home),
            "CLOISTER_TRUST_SOFTWARE_ENCLAVE": "1",
            **self.environment,
            **environment,
        }
        told = CliRunner().invoke(cloister, list(words), input=typed, env=set_to)
        if told.exception is None or isinstance(told.exception, SystemExit):
            return Ran(told.exit_code, told.stdout, told.stderr)
        if not isinstance(told.exception, CloisterError):
            raise told.exception
        return Ran(exit_code(told.exception), told.stdout, f"{told.stderr}{message(told.exception)}\n")

    def well(self, *words: str, typed: str | None = None, **environment: str) -> Ran:
        """Runs a command that succeeds."""
        ran = self.do(*words, typed=typed, **environment)
        assert ran.code == 0, ran.errors
        return ran

    def login(self, **environment: str) -> Ran:
        """Logs in as people do where standard input is no terminal."""
        return self.well("login", "--url", self.url, self.email, typed=f"{self.token}\n", **environment)
