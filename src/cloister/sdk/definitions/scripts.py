"""Scripts as they are defined, and the environments that they bring along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from cloister.errors import DefinitionInvalid
from cloister.rooms.environments import LockedPackage, plain_requirements
from cloister.rooms.limits import Limits
from cloister.rooms.nodes import PythonEnvironmentNode, PythonNode, RNode, ScriptNode, TextFile, environment_of
from cloister.sdk.definitions.base import (
    OUTPUT,
    PYTHON_IMAGE,
    R_IMAGE,
    LoggedDefinition,
    RunDefinition,
    check_output,
    ids_of,
    text_of,
)


class FileContent:
    """A static text file that a computation finds at ``/input/code/<name>``; the name may have folders."""

    def __init__(self, name: str, content: str | bytes) -> None:
        """Raises:
        DefinitionInvalid: the content is not text in UTF-8.
        """
        self.name = name
        self.content = text_of(content, f"The additional file {name!r}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FileContent):
            return NotImplemented
        return (self.name, self.content) == (other.name, other.content)

    def __hash__(self) -> int:
        return hash((self.name, self.content))

    def __repr__(self) -> str:
        return f"FileContent(name={self.name!r})"


class ScriptNodeDefinition(LoggedDefinition):
    """A script that reads ``/input`` and writes ``/output``."""

    _record: ScriptNode

    @property
    def script(self) -> str:
        """The script's text."""
        return self._record.script

    @property
    def additional_files(self) -> list[FileContent]:
        """Static texts, mounted below ``/input/code``."""
        return [FileContent(file.name, file.content) for file in self._record.files]

    @property
    def dependencies(self) -> list[str]:
        """Ids of the nodes that the script reads."""
        return list(self._record.dependencies)

    @property
    def output(self) -> str:
        """Where the script writes."""
        return OUTPUT


class PythonComputeNodeDefinition(ScriptNodeDefinition):
    """A Python script that reads ``/input`` and writes ``/output``."""

    _record: PythonNode

    def __init__(
        self,
        name: str,
        script: str | bytes,
        additional_files: Sequence[FileContent] | None = None,
        dependencies: Sequence[str] | None = None,
        enable_logs_on_error: bool = False,
        enable_logs_on_success: bool = False,
        output: str = OUTPUT,
        id: str | None = None,  # noqa: A002 - documented name
        custom_environment: str | None = None,
        proxy_configuration: object | None = None,
        *,
        image: str = PYTHON_IMAGE,
        limits: Limits | None = None,
    ) -> None:
        """
        Args:
            additional_files: static texts, mounted below ``/input/code``.
            dependencies: ids of the nodes that the script reads.
            enable_logs_on_error: whether the analyst sees the console of a failed run.
            enable_logs_on_success: whether the result holds the console as ``container.log``.
            output: always ``/output``.
            id: the name, unless given.
            custom_environment: id of a `PythonEnvironmentComputeNodeDefinition`, whose packages the script finds before
                those of the image.
            image: the image to run in; the one that the installation offers as ``python`` unless given.
            limits: what a run may use; see `cloister.analytics.Limits` for the defaults.

        Raises:
            DefinitionInvalid: the script is not UTF-8, or something is asked for that isn't there.
        """
        common = _script(name, script, additional_files, dependencies, output, id, proxy_configuration)
        self._record = PythonNode(
            **common,
            logs_on_error=enable_logs_on_error,
            logs_on_success=enable_logs_on_success,
            image=image,
            limits=limits or Limits(),
            environment=UNSET if custom_environment is None else custom_environment,
        )

    @property
    def record(self) -> PythonNode:
        return self._record

    @property
    def custom_environment(self) -> str | None:
        """Id of the node whose packages it brings along, if any."""
        return environment_of(self._record)


class PythonEnvironmentComputeNodeDefinition(RunDefinition):
    """Python packages that scripts bring along: name its id as their ``custom_environment``.

    When the room is published the requirements are resolved, and the room's definition says for good which files are
    installed. Running the node installs them and gives a report; a script's run does so by itself.
    """

    _record: PythonEnvironmentNode

    def __init__(
        self,
        name: str,
        requirements_txt: str | bytes,
        id: str | None = None,  # noqa: A002 - documented name
        *,
        image: str = PYTHON_IMAGE,
        limits: Limits | None = None,
        lock: Sequence[LockedPackage] = (),
    ) -> None:
        """
        Args:
            requirements_txt: the content of a ``requirements.txt``: one plain requirement a line, and comments.
            id: the name, unless given.
            image: the image of the scripts that it is for.
            limits: what installing may use; its output is the installed packages.
            lock: which files exactly, as `lock` of a published room's definition has them. Without it the newest that
                fit are looked up when the room is published.

        Raises:
            DefinitionInvalid: a line is an option, an address or a file, or makes no sense.
        """
        text = text_of(requirements_txt, f"The requirements of {name!r}")
        plain_requirements(text)
        self._record = PythonEnvironmentNode(
            id=name if id is None else id,
            name=name,
            requirements=text,
            lock=tuple(lock),
            image=image,
            limits=limits or Limits(),
        )

    @property
    def record(self) -> PythonEnvironmentNode:
        return self._record

    @property
    def requirements_txt(self) -> str:
        """What was asked for."""
        return self._record.requirements

    @property
    def lock(self) -> list[LockedPackage]:
        """What is installed: name, version and hashes of each package. Empty until the room is published."""
        return list(self._record.lock)


class RComputeNodeDefinition(ScriptNodeDefinition):
    """An R script that reads ``/input`` and writes ``/output``."""

    _record: RNode

    def __init__(
        self,
        name: str,
        script: str | bytes,
        additional_files: Sequence[FileContent] | None = None,
        dependencies: Sequence[str] | None = None,
        enable_logs_on_error: bool = False,
        enable_logs_on_success: bool = False,
        output: str = OUTPUT,
        id: str | None = None,  # noqa: A002 - documented name
        proxy_configuration: object | None = None,
        *,
        image: str = R_IMAGE,
        limits: Limits | None = None,
    ) -> None:
        """As `PythonComputeNodeDefinition`.

        Raises:
            DefinitionInvalid: the script is not UTF-8, or something is asked for that isn't there.
        """
        common = _script(name, script, additional_files, dependencies, output, id, proxy_configuration)
        self._record = RNode(
            **common,
            logs_on_error=enable_logs_on_error,
            logs_on_success=enable_logs_on_success,
            image=image,
            limits=limits or Limits(),
        )

    @property
    def record(self) -> RNode:
        return self._record


def _script(
    name: str,
    script: str | bytes,
    additional_files: Sequence[FileContent] | None,
    dependencies: Sequence[str] | None,
    output: str,
    node_id: str | None,
    proxy_configuration: object | None,
) -> dict[str, Any]:
    """What the records of scripts have in common, as their fields."""
    check_output(output, name)
    if proxy_configuration is not None:
        raise DefinitionInvalid(
            f"The computation {name!r} asks for a network connection. Computations have none: mount what is needed."
        )
    return {
        "id": name if node_id is None else node_id,
        "name": name,
        "script": text_of(script, f"The script of {name!r}"),
        "files": tuple(TextFile(name=file.name, content=file.content) for file in additional_files or ()),
        "dependencies": ids_of(dependencies, name),
    }
