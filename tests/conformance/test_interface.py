"""The documented interface, in its own words: names, parameters, defaults, and what comes back.

What is asked here of a hub is asked in `test_scripts.py` and `test_rooms.py`; this needs none.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from typing import Any

import decentriq_platform as dq
import decentriq_platform.analytics as dqa
import decentriq_platform.analytics.table_data_nodes as nodes
import decentriq_platform.sql as dqsql
import pytest

REQUIRED = inspect.Parameter.empty
KEYWORD = inspect.Parameter.KEYWORD_ONLY

# Name to positional parameters and their defaults, then keyword-only ones.
SIGNATURES: dict[str, tuple[Callable[..., Any], list[tuple[str, Any]], dict[str, Any]]] = {
    "create_client": (
        dq.create_client,
        [("user_email", REQUIRED), ("api_token", REQUIRED)],
        {
            "client_id": None,
            "api_host": None,
            "api_port": None,
            "api_use_tls": None,
            "request_timeout": None,
            "unsafe_disable_known_root_ca_check": False,
        },
    ),
    "AnalyticsDcrBuilder": (dqa.AnalyticsDcrBuilder, [], {"client": REQUIRED, "enclave_specs": None}),
    "add_participant": (
        dqa.AnalyticsDcrBuilder.add_participant,
        [("self", REQUIRED), ("user_email", REQUIRED)],
        {"analyst_of": (), "data_owner_of": ()},
    ),
    "publish_analytics_dcr": (
        dq.Client.publish_analytics_dcr,
        [("self", REQUIRED), ("definition", REQUIRED)],
        {"enclave_specs": None},
    ),
    "retrieve_analytics_dcr": (
        dq.Client.retrieve_analytics_dcr,
        [("self", REQUIRED), ("dcr_id", REQUIRED), ("enclave_specs", None)],
        {},
    ),
    "get_data_room_descriptions": (
        dq.Client.get_data_room_descriptions,
        [("self", REQUIRED)],
        {"exclude_stopped_dcrs": False},
    ),
    "RawDataNodeDefinition": (
        dqa.RawDataNodeDefinition,
        [("name", REQUIRED), ("is_required", REQUIRED), ("id", None)],
        {},
    ),
    "PythonComputeNodeDefinition": (
        dqa.PythonComputeNodeDefinition,
        [
            ("name", REQUIRED),
            ("script", REQUIRED),
            ("additional_files", None),
            ("dependencies", None),
            ("enable_logs_on_error", False),
            ("enable_logs_on_success", False),
            ("output", "/output"),
            ("id", None),
            ("custom_environment", None),
            ("proxy_configuration", None),
        ],
        {},
    ),
    "PythonEnvironmentComputeNodeDefinition": (
        dqa.PythonEnvironmentComputeNodeDefinition,
        [("name", REQUIRED), ("requirements_txt", REQUIRED), ("id", None)],
        {},
    ),
    "TableDataNodeDefinition": (
        dqa.TableDataNodeDefinition,
        [
            ("name", REQUIRED),
            ("columns", REQUIRED),
            ("is_required", REQUIRED),
            ("id", None),
            ("drop_invalid_rows", False),
            ("unique_column_combinations", ()),
        ],
        {},
    ),
    "Column": (
        dqa.Column,
        [
            ("format_type", REQUIRED),
            ("name", REQUIRED),
            ("is_nullable", REQUIRED),
            ("hash_with", None),
            ("in_range", None),
        ],
        {},
    ),
    "SqlComputeNodeDefinition": (
        dqa.SqlComputeNodeDefinition,
        [
            ("name", REQUIRED),
            ("query", REQUIRED),
            ("dependencies", None),
            ("minimum_rows_count", None),
            ("id", None),
        ],
        {},
    ),
    "SqliteComputeNodeDefinition": (
        dqa.SqliteComputeNodeDefinition,
        [
            ("name", REQUIRED),
            ("query", REQUIRED),
            ("dependencies", None),
            ("enable_logs_on_error", False),
            ("enable_logs_on_success", False),
            ("id", None),
        ],
        {},
    ),
    "RComputeNodeDefinition": (
        dqa.RComputeNodeDefinition,
        [
            ("name", REQUIRED),
            ("script", REQUIRED),
            ("additional_files", None),
            ("dependencies", None),
            ("enable_logs_on_error", False),
            ("enable_logs_on_success", False),
            ("output", "/output"),
            ("id", None),
            ("proxy_configuration", None),
        ],
        {},
    ),
    "SyntheticDataComputeNodeDefinition": (
        dqa.SyntheticDataComputeNodeDefinition,
        [
            ("name", REQUIRED),
            ("columns", REQUIRED),
            ("dependency", REQUIRED),
            ("epsilon", REQUIRED),
            ("output_original_data_statistics", False),
            ("enable_logs_on_error", False),
            ("enable_logs_on_success", False),
            ("id", None),
        ],
        {},
    ),
    "SyntheticNodeColumn": (
        dqa.SyntheticNodeColumn,
        [
            ("data_type", REQUIRED),
            ("index", REQUIRED),
            ("mask_type", REQUIRED),
            ("should_mask_column", REQUIRED),
            ("is_nullable", True),
            ("name", None),
        ],
        {},
    ),
    "MatchingComputeNodeDefinition": (
        dqa.MatchingComputeNodeDefinition,
        [
            ("name", REQUIRED),
            ("config", REQUIRED),
            ("dependencies", REQUIRED),
            ("enable_logs_on_error", False),
            ("enable_logs_on_success", False),
            ("output", "/output"),
            ("id", None),
        ],
        {},
    ),
    "MatchingComputeNodeConfig": (
        dqa.MatchingComputeNodeConfig,
        [(each, REQUIRED) for each in ("query", "round", "epsilon", "sensitivity", "dependency_paths")],
        {},
    ),
    "PreviewComputeNodeDefinition": (
        dqa.PreviewComputeNodeDefinition,
        [("name", REQUIRED), ("dependency", REQUIRED), ("quota_bytes", 0), ("id", None)],
        {},
    ),
    "get_validation_report_as_dict": (
        dqa.TableDataNode.get_validation_report_as_dict,
        [("self", REQUIRED)],
        {},
    ),
    "get_installation_report_as_dict": (
        dqa.PythonEnvironmentComputeNode.get_installation_report_as_dict,
        [("self", REQUIRED)],
        {},
    ),
    "FileContent": (dqa.FileContent, [("name", REQUIRED), ("content", REQUIRED)], {}),
    "Key": (dq.Key, [("material", None)], {}),
    "upload_and_publish_dataset": (
        dqa.RawDataNode.upload_and_publish_dataset,
        [("self", REQUIRED), ("data", REQUIRED), ("key", REQUIRED), ("name", REQUIRED), ("description", "")],
        {"secret_store_options": None},
    ),
    "upload_and_publish_dataset of a table": (
        dqa.TableDataNode.upload_and_publish_dataset,
        [("self", REQUIRED), ("data", REQUIRED), ("key", REQUIRED), ("name", REQUIRED), ("description", "")],
        {"secret_store_options": None},
    ),
    "publish_dataset": (
        dqa.RawDataNode.publish_dataset,
        [("self", REQUIRED), ("manifest_hash", REQUIRED), ("key", REQUIRED)],
        {},
    ),
    "remove_published_dataset": (dqa.RawDataNode.remove_published_dataset, [("self", REQUIRED)], {}),
    "upload_dataset": (
        dq.Client.upload_dataset,
        [("self", REQUIRED), ("data", REQUIRED), ("key", REQUIRED), ("file_name", REQUIRED)],
        {
            "description": "",
            "chunk_size": 8 * 1024 * 1024,
            "parallel_uploads": 8,
            "usage": None,
            "secret_store_options": None,
        },
    ),
    **{
        name: (getattr(dq.Client, name), [("self", REQUIRED), ("manifest_hash", REQUIRED), *more], {})
        for name, more in (
            ("get_dataset", []),
            ("get_dataset_key", []),
            ("delete_dataset", [("force", False)]),
            ("download_dataset", [("key", REQUIRED)]),
        )
    },
    "run_computation": (dqa.PythonComputeNode.run_computation, [("self", REQUIRED)], {}),
    **{
        name: (
            getattr(dqa.PythonComputeNode, name),
            [("self", REQUIRED), ("interval", 5), ("timeout", None)],
            {},
        )
        for name in (
            "get_results_as_bytes",
            "get_results_as_zip",
            "run_computation_and_get_results_as_bytes",
            "run_computation_and_get_results_as_zip",
        )
    },
    **{
        f"{name} of {kind.__name__}": (
            getattr(kind, name),
            [("self", REQUIRED), ("interval", 5), ("timeout", None)],
            {},
        )
        for kind in (dqa.SqlComputeNode, dqa.SqliteComputeNode, dqa.SyntheticDataComputeNode)
        for name in ("get_results_as_string", "run_computation_and_get_results_as_string", "get_results_as_bytes")
    },
    "read_input_csv_string": (
        dqsql.read_input_csv_string,
        [("content", REQUIRED)],
        {"has_header": True, "check_header": True},
    ),
    "read_sql_query_result_as_string": (
        dqsql.read_sql_query_result_as_string,
        [("result", REQUIRED), ("include_header", True)],
        {},
    ),
    "read_input_csv_file": (
        dq.read_input_csv_file,
        [("path", REQUIRED)],
        {"has_header": True, "check_header": True, "encoding": "utf-8"},
    ),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_parameters(name: str) -> None:
    """In this order, with these defaults. Own parameters come behind, by keyword alone, and have a default."""
    function, positional, keywords = SIGNATURES[name]
    parameters = inspect.signature(function).parameters
    given = [each for each in parameters.values() if each.kind not in (KEYWORD, inspect.Parameter.VAR_KEYWORD)]
    assert [(each.name, each.default) for each in given] == positional
    only = {each.name: each.default for each in parameters.values() if each.kind is KEYWORD}
    assert {key: only.get(key, "missing") for key in keywords} == keywords
    assert REQUIRED not in [only[key] for key in set(only) - set(keywords)]


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (dq.Client.upload_dataset, ["self", "data", "key", "file_name"]),
        (dq.read_input_csv_file, ["path"]),
        (dqsql.read_input_csv_string, ["content"]),
    ],
)
def test_what_is_given_by_place_alone(function: Callable[..., Any], names: list[str]) -> None:
    parameters = inspect.signature(function).parameters.values()
    assert [each.name for each in parameters if each.kind is inspect.Parameter.POSITIONAL_ONLY] == names


def test_what_scripts_read() -> None:
    attributes = {
        dqa.AnalyticsDcrBuilder: ("name", "owner", "node_definitions", "permissions", "with_description", "build"),
        dqa.AnalyticsDcrDefinition: ("high_level", "_get_high_level_representation"),
        dqa.AnalyticsDcr: (
            *("id", "get_node", "participants", "retrieve_audit_log", "stop", "node_definitions", "high_level"),
            *("client", "_get_high_level_representation"),
        ),
        dqa.RawDataNode: ("upload_and_publish_dataset", "publish_dataset", "remove_published_dataset", "id", "name"),
        dqa.PythonComputeNode: ("job_id", "run_computation", "id", "name"),
        dqa.TableDataNode: (
            *("upload_and_publish_dataset", "publish_dataset", "remove_published_dataset", "id", "name", "columns"),
            "get_validation_report_as_dict",
        ),
        dqa.SqlComputeNode: ("job_id", "statement", "run_computation_and_get_results_as_string"),
        dqa.SqliteComputeNode: ("job_id", "query", "run_computation_and_get_results_as_string"),
        dqa.SyntheticDataComputeNode: (
            *("job_id", "run_computation_and_get_results_as_string", "run_computation_and_get_results_as_zip"),
        ),
        dqa.MatchingComputeNode: ("job_id", "run_computation_and_get_results_as_zip", "get_results_as_zip"),
        dqa.PreviewComputeNode: ("job_id", "run_computation_and_get_results_as_bytes"),
        dq.Client: ("get_data_room_description", "get_data_room_descriptions"),
        dq.EnclaveSpecifications: ("latest", "versions", "all", "list", "merge"),
        dq.Key: ("material",),
    }
    missing = [(kind.__name__, name) for kind, names in attributes.items() for name in names if not hasattr(kind, name)]
    assert not missing


def test_every_builder_method_can_be_chained() -> None:
    builder = dqa.AnalyticsDcrBuilder(client=None)  # type: ignore[arg-type]  # nothing is sent
    node = dqa.RawDataNodeDefinition("data", is_required=True)
    assert (
        builder.with_name("x")
        .with_owner("a@b.ch")
        .with_description("y")
        .add_node_definition(node)
        .add_node_definitions([dqa.PythonComputeNodeDefinition("run", b"pass")])
        .add_participant("c@d.ch", data_owner_of=["data"], analyst_of=["run"])
        .with_auto_merge()
        .with_development_mode()
        .with_airlock()
    ) is builder


def test_the_high_level_shape() -> None:
    built = (
        dqa.AnalyticsDcrBuilder(client=None)  # type: ignore[arg-type]
        .with_name("Room")
        .with_owner("a@b.ch")
        .add_node_definition(dqa.RawDataNodeDefinition("data", is_required=False, id="d"))
        .add_node_definition(dqa.PythonComputeNodeDefinition("run", "pass", dependencies=["d"]))
        .add_participant("a@b.ch", data_owner_of=["d"], analyst_of=["run"])
        .build()
    )
    (shown,) = built.high_level.values()
    assert set(shown["interactive"]) == {"initialConfiguration", "commits"}
    initial = shown["interactive"]["initialConfiguration"]
    assert set(initial) == {"title", "description", "participants", "nodes"}
    assert initial["participants"] == [
        {
            "user": "a@b.ch",
            "permissions": [{"manager": {}}, {"dataOwner": {"nodeId": "d"}}, {"analyst": {"nodeId": "run"}}],
        }
    ]
    assert [node["id"] for node in initial["nodes"]] == ["d", "run"]


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (dq.AuthorizationError, dq.ApiError),
        (dq.NotFoundError, dq.ApiError),
        (dq.BadRequestError, dq.ApiError),
        (dq.ServerError, dq.ApiError),
        (dq.TimedOut, TimeoutError),
        (dq.DefinitionInvalid, ValueError),
    ],
)
def test_errors(error: type[Exception], base: type[Exception]) -> None:
    assert issubclass(error, base)
    assert issubclass(error, dq.CloisterError)


def test_an_enclaves_error_has_its_message() -> None:
    assert dq.EnclaveError("It failed.").message == str(dq.EnclaveError("It failed.")) == "It failed."
    assert not issubclass(dq.EnclaveError, dq.ApiError)


@pytest.mark.parametrize("name", ["a", "A1", "my table-2", "x_y", "a" * 128])
def test_names_that_are_allowed(name: str) -> None:
    assert build(dqa.RawDataNodeDefinition(name, is_required=True)).node_definitions[0].id == name


@pytest.mark.parametrize("name", ["", " a", "a ", "1a", "_a", "a_", "a-", "a.b", "a/b", "a\n", "a\nb", "ä", "a" * 129])
def test_names_that_are_not(name: str) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        build(dqa.RawDataNodeDefinition(name, is_required=True))


@pytest.mark.parametrize("material", [b"", b"x" * 31, b"x" * 33])
def test_keys_have_32_bytes(material: bytes) -> None:
    assert len(dq.Key().material) == 32
    assert dq.Key(b"x" * 32).material == b"x" * 32
    with pytest.raises(ValueError, match="32 bytes"):
        dq.Key(material)


def test_scripts_are_bytes_or_text_and_read_back_as_text() -> None:
    for script in ("print('ü')", "print('ü')".encode()):
        assert dqa.PythonComputeNodeDefinition("run", script).script == "print('ü')"


def test_older_scripts_find_csv_reading_elsewhere() -> None:
    assert dqsql.read_input_csv_file is dqa.read_input_csv_file is dq.read_input_csv_file
    assert dqsql.read_input_csv_string("name,age\nAnn,31\nBen,42\n").read() == b"Ann,31\nBen,42\n"
    assert nodes.NumericRangeRule is dqa.NumericRangeRule


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        (
            dqa.FormatType,
            {
                each: each
                for each in (
                    *("STRING", "INTEGER", "FLOAT", "EMAIL", "DATE_ISO8601", "PHONE_NUMBER_E164", "HASH_SHA256_HEX"),
                )
            },
        ),
        (dqa.PrimitiveType, {"STRING": "string", "INTEGER": "integer", "FLOAT": "float"}),
        (dqa.HashingAlgorithm, {"SHA256_HEX": "SHA256_HEX"}),
        (
            dqa.MaskType,
            {
                "GENERIC_STRING": "genericString",
                "GENERIC_NUMBER": "genericNumber",
                "NAME": "name",
                "ADDRESS": "address",
                "POSTCODE": "postcode",
                "PHONE_NUMBER": "phoneNumber",
                "SOCIAL_SECURITY_NUMBER": "socialSecurityNumber",
                "EMAIL": "email",
                "DATE": "date",
                "TIMESTAMP": "timestamp",
                "IBAN": "iban",
            },
        ),
    ],
)
def test_members_are_texts(kind: type[Enum], members: dict[str, str]) -> None:
    assert {each.name: each.value for each in kind} == members
    assert all(isinstance(each, str) for each in kind)
    assert [kind(value) for value in members.values()] == list(kind)


def test_tables_as_scripts_define_them() -> None:
    """By place and by name, with primitive types where older scripts have them."""
    columns = [
        dqa.Column(name="id", format_type=dqa.FormatType.INTEGER, is_nullable=False),
        dqa.Column(dqa.FormatType.STRING, "who", True, nodes.HashingAlgorithm.SHA256_HEX),
        dqa.Column(name="old", format_type=dqa.PrimitiveType.FLOAT, is_nullable=True),
    ]
    built = build(
        dqa.TableDataNodeDefinition(name="people", columns=columns, is_required=False),
        dqa.TableDataNodeDefinition("more", columns, True, "more-id", True, [[0], [1, 2]]),
        dqa.SqlComputeNodeDefinition(name="sum", query="SELECT sum(id) FROM people", dependencies=["people"]),
        dqa.SqliteComputeNodeDefinition("count", "SELECT count(*) FROM more", ["more-id"]),
        dqa.PreviewComputeNodeDefinition(name="preview-people", dependency="people", quota_bytes=1048576),
        dqa.MatchingComputeNodeDefinition(
            name="match",
            config=dqa.MatchingComputeNodeConfig(
                query={"==": [{"var": "people.id"}, {"var": "more.id"}]},
                round=10,
                epsilon=1,
                sensitivity=1,
                dependency_paths=["/input/people", "/input/more"],
            ),
            dependencies=["people", "more-id"],
        ),
        dqa.SyntheticDataComputeNodeDefinition(
            name="synth",
            columns=[
                dqa.SyntheticNodeColumn(
                    data_type=dqa.PrimitiveType.STRING,
                    index=1,
                    mask_type=dqa.MaskType.GENERIC_STRING,
                    should_mask_column=True,
                )
            ],
            dependency="people",
            epsilon=10.0,
        ),
    )
    table = built.node_definitions[0]
    assert isinstance(table, dqa.TableDataNodeDefinition)
    assert [(each.name, each.format_type.value, each.is_nullable) for each in table.columns] == [
        ("id", "INTEGER", False),
        ("who", "STRING", True),
        ("old", "FLOAT", True),
    ]
    synthetic = built.node_definitions[-1]
    assert isinstance(synthetic, dqa.SyntheticDataComputeNodeDefinition)
    assert synthetic.columns[0].data_type is dqa.PrimitiveType.STRING


def test_specifications_are_keyed_by_worker() -> None:
    latest = dq.enclave_specifications.latest()
    for name in ("decentriq.driver", "decentriq.python-ml-worker-32-64", "decentriq.sql-worker"):
        assert name in latest
    chosen = dq.enclave_specifications.versions(["decentriq.driver:v20", "decentriq.python-ml-worker-32-64:v23"])
    assert list(chosen) == ["decentriq.driver", "decentriq.python-ml-worker-32-64"]
    builder = dqa.AnalyticsDcrBuilder(client=None, enclave_specs=chosen)  # type: ignore[arg-type]
    assert builder.with_name("x").with_owner("a@b.ch").build().enclave_specs == chosen


def build(*nodes: dqa.NodeDefinition) -> dqa.AnalyticsDcrDefinition:
    builder = dqa.AnalyticsDcrBuilder(client=None)  # type: ignore[arg-type]
    return builder.with_name("x").with_owner("a@b.ch").add_node_definitions(nodes).build()
