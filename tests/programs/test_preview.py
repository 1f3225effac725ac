"""Previews: what there is, as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from cloister_tables import preview
from cloister_util.error import SafeError


def test_everything_is_copied_or_named_as_missing(tmp_path: Path) -> None:
    (tmp_path / "input/result/sub").mkdir(parents=True)
    (tmp_path / "input/result/sub/a.txt").write_bytes(b"a")
    (tmp_path / "input/raw.bin").write_bytes(b"raw")
    for name, found in {"result": ["sub", "sub/a.txt"], "raw.bin": ["raw.bin"]}.items():
        output = tmp_path / f"output {name}"
        output.mkdir()
        preview.run({"dependency": name}, tmp_path / "input", output, tmp_path)
        assert sorted(str(each.relative_to(output)) for each in output.rglob("*")) == found
    with pytest.raises(SafeError, match="'absent' has no data"):
        preview.run({"dependency": "absent"}, tmp_path / "input", tmp_path, tmp_path)
