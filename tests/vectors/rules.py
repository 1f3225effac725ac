"""Rooms that keep the rules and rooms that break one, with the verdict of the code here, for browsers to agree with.

Each case is one room with a few edits. An edit is a path and the value that is put there, or a path alone for what is
taken away. In a path, lists are gone through by position, or by the id, user or name of items; "+" adds to a list.
In values ``{"$times": [text, n]}`` stands for a long text and ``{"$many": [value, n]}`` for a long list, in whose texts
"#" is the position.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec

from cloister.errors import DefinitionInvalid
from cloister.formats.encoding import canonical
from cloister.rooms.configuration import Configuration, configuration_of, read_configuration
from cloister.rooms.definition import (
    Definition,
    ImageReference,
    Issuer,
    Reference,
    check_definition,
    read_definition,
)
from cloister.rooms.environments import LockedPackage, plain_requirements
from cloister.rooms.graph import MAX_DEPTH, MAX_STATEMENT
from cloister.rooms.nodes import PythonEnvironmentNode, RawDataNode, RNode, TextFile
from cloister.rooms.tables import MAX_COLUMN_NAME, MAX_COLUMNS, MAX_ROWS, MAX_UNIQUE
from tests.rooms.examples import OWNER, python
from tests.rooms.kinds import TABLES

_LOCK = (LockedPackage(name="six", version="1.16.0", sha256=("8a" * 32,)),)
BASE: Definition = msgspec.structs.replace(
    TABLES,
    nodes=(
        *TABLES.nodes,
        PythonEnvironmentNode(id="packages", name="packages", requirements="six\n", lock=_LOCK, image="python"),
        msgspec.structs.replace(
            python("model", "notes", environment="packages"), files=(TextFile(name="a/b.py", content=""),)
        ),
        RNode(id="plot", name="plot", script="1", dependencies=("model",), image="python"),
    ),
)

Edit = list[Any]
Case = tuple[str, list[Edit]]


def times(text: str, count: int) -> dict[str, Any]:
    return {"$times": [text, count]}


def many(value: Any, count: int) -> dict[str, Any]:
    return {"$many": [value, count]}


def field(path: str, *values: Any) -> list[Case]:
    """The same field with one value after the other; ``path`` with slashes."""
    return [(f"{path} {_short(value)}", [[path.split("/"), value]]) for value in values]


def column(name: Any, **changes: Any) -> dict[str, Any]:
    return {"name": name, "type": "STRING", "nullable": True, "hashed": False, **changes}


def made(index: Any, **changes: Any) -> dict[str, Any]:
    fields = {"type": "STRING", "mask_type": "genericString", "mask": False, "nullable": True}
    return {"index": index, **fields, **changes}


def raw(node: Any, name: Any = None) -> dict[str, Any]:
    return {"kind": "raw_data", "id": node, "name": node if name is None else name, "required": True}


def cases() -> list[Case]:
    return [("nothing", []), *_names(), *_room(), *_scripts(), *_environments(), *_columns(), *_queries(), *_private()]


def _names() -> list[Case]:
    names = [
        "a",
        "Z",
        "lab reports",
        "a--b",
        "",
        " ",
        "a ",
        " a",
        "a\n",
        "1a",
        "_a",
        "a_",
        "a.b",
        "..",
        "\u00e4",
        "a\x7f",
    ]
    ids = ["a", "0", "4f9c.v1", "", "a\n", "a/b", ".a", "a.", "\u00e4", "__proto__", "constructor", "x" * 129]
    files = ["a", "_a.py", "a/b/c.txt", "a/b.py", "", "/a", "a/", "a//b", ".", "..", "a/../b", ".hidden", "a\\b", "a\n"]
    return [
        *[(f"name {_short(name)}", [[["nodes", "+"], raw("x", name)]]) for name in [*names, "a" * 128, "a" * 129]],
        *[(f"id {_short(node)}", [[["nodes", "+"], raw(node, "x")]]) for node in ids],
        *[(f"file {_short(name)}", [[["nodes", "model", "files", 0, "name"], name]]) for name in files],
        ("two ids", [[["nodes", "+"], raw("people", "x")]]),
        ("two names", [[["nodes", "+"], raw("x", "people")]]),
        ("names of two cases", [[["nodes", "+"], raw("x", "People")]]),
        ("files in 16 folders", [[["nodes", "model", "files", 0, "name"], "a/" * 15 + "a"]]),
        ("files in 17 folders", [[["nodes", "model", "files", 0, "name"], "a/" * 16 + "a"]]),
    ]


def _room() -> list[Case]:
    person = {"user": "x@y", "data_owner_of": [], "analyst_of": [], "keys": []}

    def joins(**changes: Any) -> list[Edit]:
        return [[["participants", "+"], {**person, **changes}]]

    return [
        *field("title", "", " \u3000", "\ufeff", "a\nb", "a\x85b", "x" * 256, "x" * 257, "\U0001f512" * 256),
        *field("privacy_budget", 0.5, 0.9, 1, 0, -1, 1e-7, 1000, 1001, "1", None),
        *field("owner", "nobody@example.org", "OWNER@example.org", "a b@c"),
        *field("pins_required", True, 1),
        (
            "pins alone",
            [[["pins_required"], True], [["participants"], [{**person, "user": OWNER, "keys": ["00" * 32]}]]],
        ),
        ("nobody", [[["participants"], []]]),
        ("no nodes", [[["nodes"], []], [["participants"], [{**person, "user": OWNER}]]]),
        ("1001 nodes", [[["nodes"], many(raw("x#"), 1001)], [["participants"], [{**person, "user": OWNER}]]]),
        ("1000 nodes", [[["nodes"], many(raw("x#"), 1000)], [["participants"], [{**person, "user": OWNER}]]]),
        ("twice", [[["participants", "+"], {**person, "user": OWNER}]]),
        ("joins", joins(data_owner_of=["people", "notes"], analyst_of=["look", "model", "packages"])),
        ("upper case", joins(user="Upper@example.org")),
        ("no address", joins(user="nobody")),
        ("a comma", joins(user="a,b@c")),
        ("owner of nothing", joins(data_owner_of=["nowhere"])),
        ("analyst of nothing", joins(analyst_of=["nowhere"])),
        ("owner of a computation", joins(data_owner_of=["counts"])),
        ("analyst of data", joins(analyst_of=["people"])),
        ("owner twice", joins(data_owner_of=["people", "people"])),
        ("analyst twice", joins(analyst_of=["look", "look"])),
        ("a key", joins(keys=["00" * 32])),
        ("a key twice", joins(keys=["00" * 32, "00" * 32])),
        ("a short key", joins(keys=["00" * 31])),
        ("65 keys", joins(keys=[f"{key:064x}" for key in range(65)])),
        *field("images", []),
        *field("issuers", [], [{"name": "hub", "keys": []}], [{"name": " ", "keys": ["00" * 32]}]),
        *field("enclaves", [], many({"evidence": "sev-snp", "measurement": "00" * 32}, 17)),
        *field("workers", []),
        ("another image", [[["nodes", "plot", "image"], "r"]]),
    ]


def _scripts() -> list[Case]:
    code = [["nodes", "+"], raw("c", "code")]
    limits = {
        "memory_bytes": (0, 1, -1, 1.5, 2**53),
        "pids": (0, 1),
        "wall_seconds": (-1, 1),
        "output_files": (0,),
        "output_bytes": (-1, 0),
        "scratch_bytes": (-1, 0),
        "log_bytes": (-1, 0, 4 * 1024 * 1024, 4 * 1024 * 1024 + 1),
        "cpus": (0, 0.01, 0.009, 1024, 1025, "2"),
    }
    return [
        *field("nodes/plot/script", "", " \n", "\u2003", "\x1c", "\ufeff", "1", 1),
        *field("nodes/plot/dependencies", [], ["nowhere"], ["model", "model"], ["plot"], ["look"], ["packages"]),
        ("a circle", [[["nodes", "model", "dependencies"], ["plot"]]]),
        ("a folder called code", [code, [["nodes", "model", "dependencies"], ["c"]]]),
        ("a folder called code, no files", [code, [["nodes", "plot", "dependencies"], ["c"]]]),
        ("a file twice", [[["nodes", "model", "files", "+"], {"name": "a/b.py", "content": ""}]]),
        ("a file in a file", [[["nodes", "model", "files", "+"], {"name": "a", "content": ""}]]),
        ("files apart", [[["nodes", "model", "files", "+"], {"name": "a/c.py", "content": ""}]]),
        *[case for name, values in limits.items() for case in field(f"nodes/plot/limits/{name}", *values)],
        ("a limit that there is not", [[["nodes", "plot", "limits", "swap"], 1]]),
        ("a limit of a table", [[["nodes", "people", "limits", "memory_bytes"], 0]]),
    ]


def _environments() -> list[Case]:
    requirements = [
        *("# nothing", "six >= 1.0  # second\r\nPandas[excel]==2.1.1 ; python_version > '3'", "-r other.txt", "-e ."),
        *("--pre", "six @ https://elsewhere.example/six.whl", "six@./six.whl"),
        *("https://elsewhere.example/six.whl", "./six", "six --hash=sha256:00", "six \\", "${SIX}", "six;", "six\x00"),
        *(
            "six\u2028-r x",
            "six; 'a\\n-r x' != os_name",
            "six; os_name == '\\x0a'",
            "six; os_name == 'a\tb'",
            "six\ufeff",
        ),
        *(
            "six_",
            "six-",
            "_six",
            "six==1.*,!=1.5",
            "six>=1.*",
            "six~=1",
            "six~=1.0.dev1",
            "six[a,]",
            "six[]",
            "six[a, b]",
        ),
        *(
            "six()",
            "six(>=1,)",
            "six>=1,",
            "six==1.0+local",
            "six>1+local",
            "six==",
            "six=1",
            "six 1",
            "six >= 1 , < 2",
        ),
        *(
            "six; os_name",
            "six; 'a' in 'b'",
            "six; 'a' not  in 'b'",
            "six;not 'a'",
            "six; 'a' == 'b' and",
            "six; a == 'b'",
        ),
        *(
            "six;os.name=='a'or os_name=='b'",
            "six ;(os.name=='a')and(os_name=='b')",
            "six; ((('a'=='b')))",
            "six; ('a'=='b'",
        ),
        *(
            "six; sys.platform == 'x' and (os_name != 'y' or extra == 'z')",
            "six; ()",
            "six; 'a' == 'b' 'c'",
            "six==1!2.0",
        ),
    ]
    package = {"name": "six", "version": "1", "sha256": ["ab" * 32]}
    return [
        *[(f"requirements {_short(each)}", [[["nodes", "packages", "requirements"], each]]) for each in requirements],
        ("500 requirements", [[["nodes", "packages", "requirements"], times("six\n", 500)]]),
        ("501 requirements", [[["nodes", "packages", "requirements"], times("six\n", 501)]]),
        ("long requirements", [[["nodes", "packages", "requirements"], times("#", 64 * 1024 + 1)]]),
        *field(
            "nodes/packages/lock", [], [package, package], [{**package, "name": "Six"}], [{**package, "sha256": []}]
        ),
        ("none at all", [[["nodes", "packages", "lock"], []], [["nodes", "packages", "requirements"], "# later"]]),
        ("unresolved", [[["nodes", "packages", "lock"], []], [["nodes", "packages", "requirements"], "-r x"]]),
        *field("nodes/model/environment", "notes", "nowhere", "model", "plot"),
        (
            "of another image",
            [
                [["nodes", "packages", "image"], "other"],
                [["images", "+"], {"name": "other", "measurement": "00" * 32}],
            ],
        ),
    ]


def _columns() -> list[Case]:
    def columns(*given: Any) -> list[Edit]:
        return [[["nodes", "sales", "columns"], list(given)]]

    names = [
        "",
        " \t",
        "a\nb",
        "a\u202eb",
        "a\x00",
        "a\u00a0b",
        "\u00e4",
        "\U0001f512",
        "\ufffe",
        "x" * MAX_COLUMN_NAME,
    ]
    pairs = [("id", "id"), ("id", "ID"), ("stra\u00dfe", "STRASSE"), ("\u017f", "S"), ("\u1e9e", "ss"), ("\u0131", "i")]
    pairs += [("\u0130", "i\u0307"), ("\u03c3\u03c2", "\u03a3\u03a3"), ("a", "b"), ("\u212a", "k"), ("\ufb01", "FI")]
    ranges = [
        *({}, {"less_than": 1}, {"greater_than": 2, "less_than": 1}, {"greater_than": 1, "less_than": 1}),
        *({"greater_than_equals": 1, "less_than_equals": 1}, {"greater_than": 1, "less_than_equals": 1}),
        *({"greater_than": 3, "greater_than_equals": 1, "less_than": 2}, {"more_than": 1}, {"less_than": "1"}, None),
        *({"greater_than": -0.5, "less_than": 0.5}, {"greater_than_equals": 1e300}),
    ]
    return [
        *[(f"column {_short(name)}", columns(column(name))) for name in [*names, "x" * (MAX_COLUMN_NAME + 1)]],
        *[(f"columns {one!a} {other!a}", columns(column(one), column(other))) for one, other in pairs],
        *[(f"range {_short(each)}", columns(column("a", type="FLOAT", range=each))) for each in ranges],
        ("range of text", columns(column("a", range={"less_than": 1}))),
        ("range of whole numbers", columns(column("a", type="INTEGER", range={"less_than": 1.5}))),
        *[(f"type {each}", columns(column("a", type=each))) for each in ("EMAIL", "MONEY", None)],
        ("no columns", columns()),
        (f"{MAX_COLUMNS} columns", [[["nodes", "sales", "columns"], many(column("c#"), MAX_COLUMNS)]]),
        (f"{MAX_COLUMNS + 1} columns", [[["nodes", "sales", "columns"], many(column("c#"), MAX_COLUMNS + 1)]]),
        *field("nodes/sales/unique", [[0]], [[0, 1], [1]], [[]], [[0, 0]], [[0], [2]], [[-1]], [[0.5]], [0]),
        *field("nodes/sales/unique", many([0], MAX_UNIQUE), many([0], MAX_UNIQUE + 1)),
        *field("nodes/sales/rows", 5),
        *field("nodes/sales/required", None, True),
    ]


def _queries() -> list[Case]:
    people = {**json.loads(canonical(BASE.node("sales"))), "id": "People", "name": "People"}
    long, longer = times("x", MAX_STATEMENT), times("x", MAX_STATEMENT + 1)
    return [
        *field("nodes/listed/statement", "", " \n", "x", long, longer, times("\U0001f512", MAX_STATEMENT)),
        *field("nodes/light/statement", "", longer),
        *field("nodes/counts/minimum_rows", 0, 1, -1, MAX_ROWS, MAX_ROWS + 1, 2.5, True, None),
        *field("nodes/listed/dependencies", ["nowhere"], ["people", "people"], ["listed"], ["notes"], ["packages"]),
        *field("nodes/listed/dependencies", ["model"], ["look"], ["fake", "pairs"], []),
        *field("nodes/light/dependencies", ["notes"]),
        *field("nodes/look/dependency", "notes", "packages", "nowhere", "look"),
        *field("nodes/look/quota_bytes", 0, -1, 1.5, 2**53),
        ("two tables", [[["nodes", "+"], people], [["nodes", "listed", "dependencies"], ["people", "People"]]]),
        ("two folders", [[["nodes", "+"], people], [["nodes", "plot", "dependencies"], ["people", "People"]]]),
        (
            "a circle of all kinds",
            [
                [["nodes", "counts", "dependencies"], ["light"]],
                [["nodes", "fake", "dependency"], "counts"],
                [["nodes", "light", "dependencies"], ["fake"]],
            ],
        ),
    ]


def _private() -> list[Case]:
    nested = ['{"!":' * depth + "[]" + "}" * depth for depth in (MAX_DEPTH - 1, MAX_DEPTH, 2000)]
    queries = [
        *(
            "",
            "{}",
            "[]",
            "1",
            '"=="',
            "null",
            "{'==': 1}",
            '{"==": [NaN, 1]}',
            '{"==": [-Infinity, 1]}',
            "[1]",
            "[[]]",
        ),
        *('{"==": [' + "9" * 4300 + "]}", '{"==": [' + "9" * 4301 + "]}", '{"a": "' + "9" * 4301 + '"}', "\ufeff[1]"),
        *('["\\ud800"]', '["\x01"]', "[1,]", "[1] ", "[1] x", "[01]", '{"a": 1, "a": 2}', "[1e999]", *nested),
    ]
    epsilons = [0, -1, 1001, 1e300, 5e-324, 1e-7, 1e-6, 1000, "1", None]
    paths = [
        *(
            ["people", "sales"],
            ["sales", "people"],
            ["people/dataset.csv", "/input/sales/dataset.csv"],
            ["/input/people"],
        ),
        *([], ["people", "people"], ["people", "counts"], ["people", "sales", "sales"], ["people/types", "sales"]),
        *(["people/../sales/dataset.csv", "sales"], ["/people", "sales"], ["/input//input/people", "sales"]),
        *(["people/", "sales"], ["people/dataset.csv/dataset.csv", "sales"], ["/etc/passwd", "sales"]),
    ]
    return [
        *field("nodes/fake/epsilon", *epsilons),
        *field("nodes/pairs/epsilon", *epsilons),
        *[(f"query {_short(query)}", [[["nodes", "pairs", "query"], query]]) for query in queries],
        ("a long query", [[["nodes", "pairs", "query"], times("[1] ", MAX_STATEMENT // 4 + 1)]]),
        *field("nodes/pairs/round", 0, 1, -1, 10**9, 10**9 + 1, 1.5),
        *field("nodes/pairs/sensitivity", 0, -1, 1e-300, 10**9, 10**9 + 1),
        *field(
            "nodes/pairs/dependencies",
            ["people"],
            ["people", "people"],
            ["people", "sales", "counts"],
            ["people", "notes"],
        ),
        *field("nodes/pairs/paths", *paths),
        *field(
            "nodes/fake/columns", [], [made(0), made(0)], [made(2)], [made(3)], [made(-1)], [made(2001)], [made(0.5)]
        ),
        *field(
            "nodes/fake/columns",
            [made(0, name="")],
            [made(0, name="a\nb")],
            [made(0, name="x" * 257)],
            [made(0, name="x")],
        ),
        *field("nodes/fake/columns", [made(0, name="a"), made(1, name="A")], [made(0, mask_type="nonsense")]),
        *field("nodes/fake/dependency", "notes", ["people"], "nowhere"),
        (
            "columns of a query",
            [[["nodes", "fake", "dependency"], "counts"], [["nodes", "fake", "columns"], [made(1999)]]],
        ),
    ]


# --- what is made of them ---


def edited(base: Any, edits: list[Edit]) -> Any:
    """The value with the edits made."""
    value = copy.deepcopy(base)
    for path, *given in edits:
        inner = value
        for step in path[:-1]:
            inner = inner[_place(inner, step)]
        if path[-1] == "+":
            inner.append(_expanded(given[0]))
        elif given:
            inner[_place(inner, path[-1])] = _expanded(given[0])
        else:
            del inner[_place(inner, path[-1])]
    return value


def rules() -> dict[str, Any]:
    definition, configuration = json.loads(canonical(BASE)), json.loads(canonical(configuration_of(BASE)))
    ours = {*Configuration.__struct_fields__} - {"format"}
    return {
        "definition": definition,
        "cases": [
            {
                "says": says,
                "edits": edits,
                "definition": _is_definition(edited(definition, edits)),
                "configuration": _is_configuration(
                    edited(configuration, [edit for edit in edits if edit[0][0] in ours])
                ),
            }
            for says, edits in cases()
        ],
    }


def _is_definition(value: Any) -> bool:
    """Whether a room can be published as that."""
    try:
        read_definition(_canonical(value))
    except DefinitionInvalid:
        return False
    return True


def _is_configuration(value: Any) -> bool:
    """Whether a room could be published of it, whatever the enclave and the hub add: what stands in for that here
    breaks no rule."""
    reference = Reference(evidence="unknown", measurement="00" * 32)
    try:
        written = read_configuration(_canonical(value))
        definition = Definition(
            nonce="00" * 32,
            title=written.title,
            owner=written.owner,
            participants=written.participants,
            nodes=tuple(
                msgspec.structs.replace(node, lock=_LOCK) if _is_unresolved(node) else node for node in written.nodes
            ),
            issuers=() if written.pins_required else (Issuer(name="unknown", keys=("00" * 32,)),),
            pins_required=written.pins_required,
            enclaves=(reference,),
            workers=(reference,),
            images=tuple(
                ImageReference(name=name, measurement="00" * 32)
                for name in sorted({node.image for node in written.nodes if not isinstance(node, RawDataNode)})
            ),
            privacy_budget=written.privacy_budget,
        )
        check_definition(definition)
        definition.canonical()
    except ValueError:
        # What breaks a rule, or holds a number that canonical JSON has no form for.
        return False
    return True


def _is_unresolved(node: Any) -> bool:
    return isinstance(node, PythonEnvironmentNode) and not node.lock and bool(plain_requirements(node.requirements))


def _canonical(value: Any) -> bytes:
    try:
        return canonical(value)
    except ValueError:
        # A number that canonical JSON has no form for.
        return msgspec.json.encode(value)


def _place(inner: Any, step: str | int) -> str | int:
    if isinstance(inner, list) and isinstance(step, str):
        return next(at for at, item in enumerate(inner) if step in (item.get("id"), item.get("user"), item.get("name")))
    return step


def _expanded(value: Any, at: int | None = None) -> Any:
    if isinstance(value, dict) and "$times" in value:
        text, count = value["$times"]
        return text * count
    if isinstance(value, dict) and "$many" in value:
        inner, count = value["$many"]
        return [_expanded(inner, at) for at in range(count)]
    if isinstance(value, dict):
        return {name: _expanded(each, at) for name, each in value.items()}
    if isinstance(value, list):
        return [_expanded(each, at) for each in value]
    return value.replace("#", str(at)) if isinstance(value, str) and at is not None else value


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
