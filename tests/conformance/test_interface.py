"""The documented interface, in its own words: names, parameters, defaults, and what comes back.

What is asked here of a hub is asked in `test_scripts.py` and `test_rooms.py`; this needs none.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import decentriq_platform as dq
import decentriq_platform.analytics as dqa
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
    [(dq.Client.upload_dataset, ["self", "data", "key", "file_name"]), (dq.read_input_csv_file, ["path"])],
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
    assert dqsql.read_input_csv_file is dq.read_input_csv_file


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
