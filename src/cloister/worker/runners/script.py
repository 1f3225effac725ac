"""Run one script, in whatever language: from script, inputs and limits to a zip, or to an error that is safe to show.

    with pool.take(blueprint(PYTHON, image.root, limits, inputs)) as container:     # `inputs`: their names
        folder = container.input_folder(size_bytes, files)
        ...                                                                         # decrypt the inputs into it
        run = run_script(PYTHON, container, ScriptTask(script=..., limits=limits), cancelled)
        if run.error is not None:
            ...                                                                     # report it: safe for the analyst
        else:
            for chunk in run.result():                                              # the zip, streamed
                ...

Threat: an error that carries data to somebody who may only see results. Unless the room's definition enables logs, an
error names a limit, or places and classes that its reader knows from the definition or the image; see failure.py.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloister.rooms.limits import Limits
from cloister.worker.sandbox import bundle, frame
from cloister.worker.sandbox.collector import collect
from cloister.worker.sandbox.container import Container
from cloister.worker.sandbox.failure import Known, safe_traceback, safe_words
from cloister.worker.sandbox.job import Blueprint, Job, LimitName, Outcome

LOG_NAME = "container.log"
WITHHELD = ".withheld"
"""The folder of /output for what later computations alone may read."""


@dataclass(frozen=True, kw_only=True)
class Language:
    """What there is to know of a language to run its scripts."""

    name: str
    argv: tuple[str, ...]
    """The program that runs the launcher, which lies at `bundle.LAUNCHER`."""
    launcher: Path
    extension: str
    refusals: frozenset[str]
    """What it makes of a process or thread that it was refused: classes of errors."""
    known: Callable[[Mapping[str, str], Path], Known]
    """The words that readers of a definition know, from its texts (by their paths inside) and the image's root."""
    uses_libraries: Callable[[Iterable[str]], bool]
    """Whether a computation of these texts seems to use anything that is loaded ahead: a guess, for speed alone."""
    own: bool = False
    """Whether its scripts are Cloister's own programs: their readers know no places in them, and what such a program
    says of its failure in safe words is all that is told."""


@dataclass(frozen=True, kw_only=True)
class ScriptTask:
    """One computation, whose inputs are in place."""

    script: str
    limits: Limits
    files: Mapping[str, str] = field(default_factory=dict)
    """Additional text files, seen at /input/code/<name>; nested names allowed."""
    enable_logs_on_success: bool = False


@dataclass(frozen=True, kw_only=True)
class ScriptRun:
    """How it went."""

    task: ScriptTask
    outcome: Outcome
    limit: LimitName | None
    """The limit that ended it, or that its failure comes from."""
    error: str | None
    """None where the script succeeded; else a text that holds nothing of the data."""

    @property
    def console(self) -> str:
        """What it printed, fit for a terminal. The script decides what that says of the data."""
        return printable(self.outcome.log)

    def result(self, *, withheld: bool = False) -> Iterator[bytes]:
        """The zip of /output (and `container.log` where logs on success are enabled), in chunks.

        Args:
            withheld: whether what lies below `WITHHELD` is left out.

        Raises:
            EnclaveError: at the call, before the first chunk: something in /output can't be collected. Safe to show.
        """
        extra = {LOG_NAME: self.outcome.log} if self.task.enable_logs_on_success else {}
        return collect(self.outcome.output, self.task.limits, extra, without=WITHHELD if withheld else "")

    def withheld(self) -> Iterator[bytes]:
        """The zip of what lies below `WITHHELD` in /output, in chunks.

        Raises:
            EnclaveError: as `result`.
        """
        return collect(self.outcome.output / WITHHELD, self.task.limits)


def blueprint(
    language: Language,
    image_root: Path,
    limits: Limits,
    inputs: Collection[str],
    layers: tuple[Path, ...] = (),
) -> Blueprint:
    """The container that a computation needs.

    Args:
        inputs: what will lie in its input folder, by name.
        layers: folders seen over the image.
    """
    return Blueprint(
        argv=language.argv,
        image_root=image_root,
        layers=layers,
        launcher=_text(language.launcher),
        language=language.name,
        threads=bundle.threads(limits),
        code_target=frame.code_target(inputs),
    )


@functools.cache
def _text(file: Path) -> str:
    return file.read_text()


def run_script(
    language: Language, container: Container, task: ScriptTask, cancelled: threading.Event | None = None
) -> ScriptRun:
    """Run `task` in the container, which was made by a `blueprint` of its; read the result before that is closed.

    Raises:
        DefinitionInvalid: a name of an additional file isn't allowed.
        SandboxUnavailable: the task could not be handed over safely. The script has not run.
    """
    name = script_name(task.files, language.extension)
    folder = container.blueprint.code_target
    texts = {**task.files, name: task.script}
    job = Job(
        go=f"{folder}/{name}",
        code={path: text.encode() for path, text in texts.items()},
        limits=task.limits,
    )
    outcome = container.run(job, cancelled)
    sources = {f"{folder}/{path}": text for path, text in texts.items()}
    return _conclude(language, task, outcome, sources, container.blueprint.image_root)


def script_name(files: Mapping[str, str], extension: str) -> str:
    """A name for the script beside the additional files: main.py (or the like), unless one of them has it."""
    taken = {path.partition("/")[0] for path in files}
    stems = ("main", "script", *(f"script{number}" for number in range(2, len(taken) + 3)))
    return next(f"{stem}{extension}" for stem in stems if f"{stem}{extension}" not in taken)


def _conclude(
    language: Language, task: ScriptTask, outcome: Outcome, sources: Mapping[str, str], image_root: Path
) -> ScriptRun:
    limit = outcome.limit
    if language.own:
        if outcome.exit_code != 0 and outcome.refused_processes and safe_words(outcome.report) is None:
            limit = limit or "pids"
        return ScriptRun(task=task, outcome=outcome, limit=limit, error=_own_error(task, outcome, limit))
    traceback = None
    if outcome.exit_code != 0 and limit is None and not outcome.cancelled:
        traceback = safe_traceback(outcome.report, sources, language.known(sources, image_root))
        if outcome.refused_processes and (traceback is None or _last_name(traceback) in language.refusals):
            limit = "pids"
    error = _error(task, outcome, limit, traceback)
    return ScriptRun(task=task, outcome=outcome, limit=limit, error=error)


def _own_error(task: ScriptTask, outcome: Outcome, limit: LimitName | None) -> str | None:
    if limit is not None and not outcome.cancelled:
        return limit_text(limit, task.limits, "Let it work on less")
    if outcome.cancelled or outcome.exit_code == 0:
        return _error(task, outcome, None, None)
    return safe_words(outcome.report) or (
        "It failed in a way that Cloister didn't expect, and what is known of that may hold data. Ask the operator to "
        "report it, with this computation's definition."
    )


def _error(task: ScriptTask, outcome: Outcome, limit: LimitName | None, traceback: str | None) -> str | None:
    if outcome.cancelled:
        return "The computation was withdrawn before it ended."
    if limit is not None:
        return limit_text(limit, task.limits)
    if outcome.exit_code == 0:
        return None
    if traceback is not None:
        return f"The script failed.\n{traceback}"
    if outcome.exit_code > 128:
        return "The script crashed, or was ended by a signal. Its output was not collected."
    # Which code is the script's to choose: a byte of data for every run.
    return "The script exited with a non-zero code. Its output was not collected."


def _last_name(traceback: str) -> str:
    """The class at the end of a safe traceback, without its module."""
    return traceback.rpartition("\n")[2].partition(":")[0].rpartition(".")[2]


def limit_text(limit: LimitName, limits: Limits, remedy: str = "Change the script to need less") -> str:
    """The error for exceeding a limit: its name, its value, what to do."""
    values: dict[LimitName, str] = {
        "memory": f"{limits.memory_bytes} bytes, with the files in /output, /tmp and /scratch",
        "pids": f"{limits.pids} processes and threads",
        "wall time": f"{limits.wall_seconds} seconds",
        "output size": f"{limits.output_bytes} bytes in /output",
        "output files": f"{limits.output_files} files and folders in /output",
        "scratch": f"{limits.scratch_bytes} bytes in /tmp and /scratch",
    }
    return (
        f"The computation exceeded its limit on {limit} ({values[limit]}). "
        f"{remedy}, or publish a room that allows more."
    )


def printable(log: bytes) -> str:
    """A log as text that can be shown in a terminal: no control characters but line ends and tabs."""
    text = log.decode(errors="replace")
    return "".join(sign if sign in "\n\t" or sign.isprintable() else "\ufffd" for sign in text).strip()
