"""The documented name offers what the SDK offers: the same objects, for people and for type checkers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import decentriq_platform
import decentriq_platform.analytics

import cloister
import cloister.analytics


def test_the_documented_name_offers_the_same_objects() -> None:
    for ours, theirs in [(cloister, decentriq_platform), (cloister.analytics, decentriq_platform.analytics)]:
        assert theirs.__all__ == ours.__all__
        for name in ours.__all__:
            assert getattr(theirs, name) is getattr(ours, name), name


def test_a_type_checker_sees_through_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import decentriq_platform as dq\n"
        "from decentriq_platform.analytics import AnalyticsDcrBuilder, RawDataNodeDefinition\n"
        'client = dq.create_client("me@example.org", "token")\n'
        "builder = AnalyticsDcrBuilder(client=client)\n"
        'builder.add_node_definition(RawDataNodeDefinition(name="a", is_required=True))\n'
        "key: dq.Key = dq.Key()\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "--config-file", ""]
    result = subprocess.run([*command, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_sdk_loads_nothing_of_the_servers() -> None:
    servers = {"alembic", "fastapi", "joserfc", "obstore", "sqlalchemy", "starlette", "uvicorn"}
    program = "import sys, cloister, cloister.analytics; cloister.create_client; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not servers & set(result.stdout.split())
