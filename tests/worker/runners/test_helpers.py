"""The modules that Cloister gives to scripts, as scripts import them in their container."""

from __future__ import annotations

import pytest

from tests.containers import Machine

WRITTEN = (
    b"\x1d\x0a\x05\x0a\x01a\x12\x00\x0a\x09\x0a\x01b\x12\x04\x08\x01\x10\x01\x0a\x09\x0a\x01e\x12\x04\x08\x01\x10\x01"
)
"""The `types` of a table with the columns a (INT64), b and e (STRING, nullable), as documented consumers wrote it."""


@pytest.mark.parametrize("module", ["cloister_util", "decentriq_util"])
def test_a_table_is_read_with_its_names_and_types(machine: Machine, module: str) -> None:
    script = f"""
import json, {module} as util
table = util.read_tabular_data("/input/people")
print(json.dumps([list(table.columns), [str(kind) for kind in table.dtypes], table.values.tolist()]))
"""
    inputs = {"people/dataset.csv": b'1,"x, y",\n-7,NA,"a ""b"""\n', "people/types": WRITTEN}
    assert machine.run(script, inputs=inputs).json() == [
        ["a", "b", "e"],
        ["Int64", "object", "object"],
        [[1, "x, y", ""], [-7, "NA", 'a "b"']],
    ]


def test_the_documented_name_reads_the_result_of_a_query(machine: Machine) -> None:
    script = """
import decentriq_util
table = decentriq_util.sql.read_sql_data_from_dir("/input/salary_sum/")
again = decentriq_util.sql.read_sql_data("/input/salary_sum/dataset.csv", "/input/salary_sum/types")
assert table.equals(again)
print(int(table["a"].sum()))
"""
    inputs = {"salary_sum/dataset.csv": b"20,x,\n22,y,\n", "salary_sum/types": WRITTEN}
    assert machine.run(script, inputs=inputs).json() == 42


def test_an_empty_table_has_its_columns_and_types(machine: Machine) -> None:
    script = """
import json, cloister_util
table = cloister_util.read_tabular_data("/input/people")
print(json.dumps([len(table), list(table.columns), [str(kind) for kind in table.dtypes]]))
"""
    inputs = {"people/dataset.csv": b"", "people/types": WRITTEN}
    assert machine.run(script, inputs=inputs).json() == [0, ["a", "b", "e"], ["Int64", "object", "object"]]


def test_what_is_written_can_be_read_again_and_not_overwritten(machine: Machine) -> None:
    script = """
import cloister_util, pandas as pd
frame = pd.DataFrame({
    "whole": pd.array([1, None, 3], dtype="Int64"), "real": [0.5, float("nan"), 1e300],
    "text": ["", "line\\nbreak", 'quoted "x"'], "truth": [True, False, True],
})
cloister_util.write_tabular_data(frame, "/output/table")
read = cloister_util.read_tabular_data("/output/table")
assert list(read.columns) == list(frame.columns)
for name in ("whole", "real", "text"):
    pd.testing.assert_series_equal(read[name], frame[name])
assert read["truth"].tolist() == [1, 0, 1]
try:
    cloister_util.write_tabular_data(frame, "/output/table")
except FileExistsError:
    print("true")
"""
    ran = machine.run(script)
    assert ran.json() is True
    assert set(ran.files) == {"table/dataset.csv", "table/types"}


def test_a_table_of_one_text_column_keeps_its_empty_cells(machine: Machine) -> None:
    script = """
import cloister_util, pandas as pd, json
cloister_util.write_tabular_data(pd.DataFrame({"only": ["a", "", "b"]}), "/output")
print(json.dumps(cloister_util.read_tabular_data("/output")["only"].tolist()))
"""
    assert machine.run(script).json() == ["a", "", "b"]


@pytest.mark.parametrize(
    "types", [b"", b"\x05\x0a", b"\x7f\x0a\x05\x0a\x01a\x12\x00", b"\x07\x0a\x05\x12\x03\x08\x83\x01", b"\xff" * 20]
)
def test_types_that_are_none_raise(machine: Machine, types: bytes) -> None:
    script = """
import cloister_util
try:
    cloister_util.read_tabular_data("/input/people")
except Exception as error:
    print("true")
"""
    assert machine.run(script, inputs={"people/dataset.csv": b"1\n", "people/types": types}).json() is True


def test_a_declared_safe_error_tells_its_message(machine: Machine) -> None:
    script = """
from decentriq_util.error import SafeError, catch_safe_error

class TooFew(SafeError):
    def safe_str(self):
        return "fewer than ten patients"

with catch_safe_error():
    raise TooFew("only seven: patient4711 and others")
"""
    error = machine.run(script).error
    assert error is not None
    assert error.endswith("TooFew: fewer than ten patients")
    assert "patient4711" not in error


def test_other_errors_in_its_reach_stay_withheld(machine: Machine) -> None:
    script = """
from cloister_util import catch_safe_error
with catch_safe_error():
    raise ValueError("patient4711")
"""
    error = machine.run(script).error
    assert error is not None
    assert error.endswith("ValueError: (message withheld)")
