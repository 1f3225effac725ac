"""The snippets that the pages give for what a script finds: each runs unchanged, in the containers of scripts."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from cloister.analytics import (
    AnalyticsDcrBuilder,
    Column,
    FileContent,
    FormatType,
    PreviewComputeNodeDefinition,
    PythonComputeNodeDefinition,
    RawDataNodeDefinition,
    RComputeNodeDefinition,
    SqlComputeNodeDefinition,
    SqliteComputeNodeDefinition,
    TableDataNodeDefinition,
)
from cloister.sdk.client import Client
from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.definitions import NodeDefinition
from cloister.sdk.key import Key
from cloister.sdk.nodes import SqlComputeNode, SqliteComputeNode, TableDataNode
from setup.generated import browser_libraries
from tests.installation import Installation, attach, run
from tests.pages import VITE, node

ANNA = "anna@example.org"
MAKES = """
import json
import pandas as pd
from cloister_util import write_tabular_data
pd.DataFrame({"a": [1, 2]}).to_csv("/output/numbers 1.csv", index=False)
with open("/output/told.json", "w") as file:
    json.dump({"told": True}, file)
with open('/output/say-so.txt', "w") as file:
    file.write("so")
write_tabular_data(pd.DataFrame({"b c": [3, 4]}), "/output/sub table")
"""
PYTHON_FILES = [
    FileContent("helper.py", "VALUE = 7\n"),
    FileContent("lib/deep.py", "VALUE = 8\n"),
    FileContent("2 bands-x.csv", "low,high\n1,2\n"),
    FileContent("import.txt", "words\n"),
    FileContent("empty.csv", ""),
]
R_FILES = [
    FileContent("my helper.R", "value <- 7\n"),
    FileContent("bands.csv", "low,high\n1,2\n"),
    FileContent("told.json", '{"told": true}'),
    FileContent("words.txt", "words"),
]
# Each in a namespace of its own: nothing of one snippet helps another.
RUNS_PYTHON = """
import json, os, runpy, shutil
told = {}
for number in range(COUNT):
    names = runpy.run_path(f"/input/code/snippet_{number}.py")
    told[number] = {
        name: value.to_dict("list") if hasattr(value, "to_dict") else repr(value)
        for name, value in names.items() if not name.startswith("__") and name not in ("file", "Path", "csv", "json")
        and not callable(value) and type(value).__name__ != "module"
    } | {name: value.VALUE for name, value in names.items() if hasattr(value, "VALUE")}
    for name in os.listdir("/output"):
        told[number][f"wrote {name}"] = os.path.getsize(f"/output/{name}")
        os.remove(f"/output/{name}")
with open("/output/told.json", "w") as file:
    json.dump(told, file)
"""
RUNS_R = """
told <- list()
for (number in seq_len(COUNT) - 1) {
  here <- new.env()
  source(sprintf("/input/code/snippet_%d.R", number), local = here)
  shown <- function(value) if (is.raw(value)) rawToChar(value[value != 0]) else value
  told[[number + 1]] <- lapply(as.list(here), shown)
  wrote <- list.files("/output")
  if (length(wrote)) told[[number + 1]]$wrote <- as.list(wrote)
  file.remove(file.path("/output", wrote))
}
writeLines(jsonlite::toJSON(told, auto_unbox = TRUE, null = "null"), "/output/told.json")
lacking <- setdiff(jsonlite::fromJSON("/input/code/libraries.json"), rownames(installed.packages()))
writeLines(lacking, "/output/lacking.txt")
"""


@dataclass(frozen=True)
class Snippet:
    node: str
    path: str
    content: str
    code: str


def sources() -> list[NodeDefinition]:
    """Data, and results of all kinds, with names that need quotes."""
    columns = [Column(FormatType.STRING, 'na"me', is_nullable=True), Column(FormatType.INTEGER, "of age", False)]
    return [
        TableDataNodeDefinition("of people-1", columns, is_required=True),
        TableDataNodeDefinition("maybe people", columns, is_required=False),
        RawDataNodeDefinition("raw file-2", is_required=True),
        RawDataNodeDefinition("maybe_file", is_required=False),
        PythonComputeNodeDefinition("class", MAKES, enable_logs_on_success=True),
        RComputeNodeDefinition("r-made", 'write_tabular_data(data.frame(x = 1:2))\nprint("/output")\n'),
        SqlComputeNodeDefinition("a query-3", 'SELECT "of age" FROM "of people-1"', ["of people-1"]),
        SqliteComputeNodeDefinition("Lite", 'SELECT * FROM "of people-1"', ["of people-1"]),
        PreviewComputeNodeDefinition("shown-1", "raw file-2", 1000),
    ]


def readers(files: dict[str, list[FileContent]], scripts: dict[str, str]) -> list[NodeDefinition]:
    """What reads all of them, in each language."""
    ids = [each.id for each in sources()]
    tables = ["of people-1", "r-made", "a query-3"]
    return [
        PythonComputeNodeDefinition("in python", scripts["py"], files["py"], ids, enable_logs_on_error=True),
        RComputeNodeDefinition("in r", scripts["r"], files["r"], ids, enable_logs_on_error=True),
        *(SqlComputeNodeDefinition(f"sql {n}", scripts.get(f"sql {n}", "-"), [t]) for n, t in enumerate(tables)),
        *(
            SqliteComputeNodeDefinition(f"lite {n}", scripts.get(f"lite {n}", "-"), [t])
            for n, t in enumerate(tables[:2])
        ),
        SqlComputeNodeDefinition("filtered", scripts.get("filtered", "-"), ["of people-1"], minimum_rows_count=2),
    ]


def snippets(client: Client, nodes: list[NodeDefinition], folder: Path) -> list[Snippet]:
    """What the pages have for a room of these nodes."""
    room = AnalyticsDcrBuilder(client=client).with_name("Snippets").with_owner(ANNA)
    room.add_node_definitions(nodes).add_participant(ANNA)
    node(VITE, "build", "--ssr", "tests/journey/snippets.ts", "--logLevel", "error", "--outDir", folder)
    told = node(folder / "snippets.js", room.build().to_json()).stdout
    return msgspec.json.decode(told, type=list[Snippet])


@pytest.mark.slow
def test_snippets_run_as_they_are(installation: Installation, tmp_path: Path) -> None:
    plain = {"py": PYTHON_FILES, "r": R_FILES}
    client = installation.client(ANNA)
    found = snippets(client, [*sources(), *readers(plain, {"py": "-", "r": "-"})], tmp_path)
    names = [each.name for each in readers(plain, {"py": "-", "r": "-"})]
    of = {name: [each for each in found if each.node == name] for name in names}
    python, in_r = of.pop("in python"), of.pop("in r")
    libraries = json.dumps(list(browser_libraries.libraries("r")["packages"]))
    files = {
        "py": [*PYTHON_FILES, *(FileContent(f"snippet_{n}.py", each.code) for n, each in enumerate(python))],
        "r": [
            *R_FILES,
            FileContent("libraries.json", libraries),
            *(FileContent(f"snippet_{n}.R", each.code) for n, each in enumerate(in_r)),
        ],
    }
    scripts = {
        "py": RUNS_PYTHON.replace("COUNT", str(len(python))),
        "r": RUNS_R.replace("COUNT", str(len(in_r))),
        **{name: only.code for name, [only] in of.items()},
    }
    reading = readers(files, scripts)
    builder = AnalyticsDcrBuilder(client=client).with_name("Snippets").with_owner(ANNA)
    builder.add_node_definitions([*sources(), *reading])
    builder.add_participant(ANNA, data_owner_of=["of people-1", "raw file-2"], analyst_of=[each.id for each in reading])
    room = client.publish_analytics_dcr(builder.build())
    people = room.get_node("of people-1")
    assert isinstance(people, TableDataNode)
    people.upload_and_publish_dataset(io.BytesIO(b"Ann,30\nBob,40\n"), Key(), "people.csv")
    attach(room, "raw file-2", b"raw\n")

    result = json.loads(run(room, "in python").read("told.json"))
    told = {each.path: result[str(number)] for number, each in enumerate(python)}
    people_there = {'na"me': ["Ann", "Bob"], "of age": [30, 40]}
    assert told["/input/of people-1"] == {"of_people_1": people_there}
    assert told["/input/of people-1/dataset.csv"] == {"of_people_1": "[['Ann', '30'], ['Bob', '40']]"}
    assert "'outcome': 'PASSED'" in told["/input/of people-1/validation-report.json"].popitem()[1]
    # What nobody has attached data to.
    assert told["/input/maybe people"] == told["/input/maybe people/dataset.csv"] == {"maybe_people": "None"}
    assert told["/input/maybe_file"] == {"maybe_file": "None"}
    assert told["/input/raw file-2"] == {"raw_file_2": r"b'raw\n'"}
    # What other computations have made.
    assert "sub table/types" in told["/input/class"]["class_"]
    assert told["/input/class/sub table"] == {"class_sub_table": {"b c": [3, 4]}}
    assert told["/input/class/numbers 1.csv"] == {"class_numbers_1_csv": {"a": [1, 2]}}
    assert told["/input/class/told.json"] == {"class_told_json": "{'told': True}"}
    assert told["/input/class/say-so.txt"] == {"class_say_so_txt": "'so'"}
    assert told["/input/class/container.log"] == {"class_container_log": "''"}
    assert told["/input/r-made"] == {"r_made": {"x": [1, 2]}}
    assert told["/input/a query-3"] == {"a_query_3": {"of age": [30, 40]}}
    assert told["/input/Lite"] == {"Lite": people_there}
    assert told["/input/shown-1/raw file-2"] == {"shown_1_raw_file_2": r"b'raw\n'"}
    # Static files.
    assert told["/input/code/helper.py"] == {"helper": 7}
    assert told["/input/code/lib/deep.py"] == {"deep": 8}
    assert told["/input/code/2 bands-x.csv"] == {"data_2_bands_x": {"low": [1], "high": [2]}}
    assert told["/input/code/import.txt"] == {"import_": r"'words\n'"}
    assert told["/input/code/empty.csv"] == {"empty": "''"}
    # Places to write to.
    assert told["/output/result.txt"] == {"wrote result.txt": 5}
    assert told["/output"] == {"result": {"number": [1, 2, 3]}, "wrote dataset.csv": 6, "wrote types": 13}
    assert told["/scratch"] == {"scratch": "PosixPath('/scratch')"}

    archive = run(room, "in r")
    told = {each.path: found for each, found in zip(in_r, json.loads(archive.read("told.json")), strict=True)}
    rows = [{'na"me': "Ann", "of age": 30}, {'na"me': "Bob", "of age": 40}]
    assert told["/input/of people-1"] == {"of_people_1": rows}
    assert told["/input/of people-1/dataset.csv"] == {"of_people_1": ["Ann,30", "Bob,40"]}
    assert told["/input/maybe people"] == {"maybe_people": None}
    assert told["/input/maybe_file"] == {"maybe_file": None}
    assert told["/input/raw file-2"] == {"raw_file_2": "raw\n"}
    assert "/input/class/sub table/types" in told["/input/class"]["class"]
    assert told["/input/class/sub table"] == {"class_sub_table": [{"b c": 3}, {"b c": 4}]}
    assert told["/input/class/numbers 1.csv"] == {"class_numbers_1_csv": [{"a": 1}, {"a": 2}]}
    assert told["/input/class/told.json"] == {"class_told_json": {"told": True}}
    assert told["/input/code/bands.csv"] == {"bands": [{"low": 1, "high": 2}]}
    assert told["/input/code/words.txt"] == {"words": "words"}
    assert told["/output/result.txt"] == {"wrote": ["result.txt"]}
    assert told["/output"]["wrote"] == ["dataset.csv", "types"]
    assert told["/scratch"] == {"scratch": "/scratch"}
    # The pages call R's libraries what R calls them.
    assert archive.read("lacking.txt") == b""

    answers = {name: _answer(room, name) for name in of}
    assert answers["sql 0"] == answers["lite 0"] == '"na""me",of age\nAnn,30\nBob,40'
    assert answers["sql 1"] == answers["lite 1"] == "x\n1\n2"
    assert answers["sql 2"] == "of age\n30\n40"
    assert answers["filtered"] == "rows\n2"


def _answer(room: AnalyticsDcr, name: str) -> str:
    queried = room.get_node(name)
    assert isinstance(queried, SqlComputeNode | SqliteComputeNode)
    return queried.run_computation_and_get_results_as_string()
