"""`cloister doctor`: whether computations can be run safely on this machine, and what it lacks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from cloister.cli.operators.ceilings import overcommitted
from cloister.cli.operators.config import CONFIG_VARIABLE
from cloister.cli.operators.config_command import found as settings_found
from cloister.cli.operators.reach import Configuration, configuration
from cloister.cli.operators.settings import sections
from cloister.rooms.limits import Limits
from cloister.worker.linux import enter_private_mounts
from cloister.worker.survey import MemoryFacts, RuntimeFacts, ScratchFacts, Survey, survey

_COLUMN = 18
_GIB = 1024**3


@click.command(short_help="Tell what this machine has and enforces, and what it lacks.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with sizes in bytes.")
@click.option(
    "--config",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar=CONFIG_VARIABLE,
    help="The settings of the parts on this machine: tell which are set, and whether the parts that they name answer.",
)
def doctor(as_json: bool, file: Path | None) -> None:
    """Tell what this machine has for running computations, what it really enforces, and what to install.

    Each container runtime is tried out: a script runs in it that attempts what must fail, and takes more memory than it
    may. Nothing is changed. Needs root; says less without.

    The last line is the verdict. The exit code is 0 if computations can be run safely here, else 1.
    """
    if os.geteuid() == 0:
        enter_private_mounts()
    configured = configuration(file)
    given: dict[str, Any] = {
        setting.name: value for part in ("up", "worker") for setting, value, _ in settings_found(sections()[part], file)
    }
    found = survey(scratch=given["scratch"])
    if warning := overcommitted(given["workers"] or found.cores, given["max_memory"]):
        found = msgspec.structs.replace(found, advice=(*found.advice, warning))
    if as_json:
        everything = {**msgspec.to_builtins(found), "configuration": configured}
        click.echo(msgspec.json.format(msgspec.json.encode(everything)))
    else:
        click.echo("\n".join([*told(configured), *lines(found)]))
    sys.exit(0 if found.safe else 1)


def told(configured: Configuration) -> Iterator[str]:
    """What is set, for a person to read; nothing where nothing is."""
    if configured.file is not None or configured.settings:
        yield _line("configuration", configured.file or "no file")
    for part in dict.fromkeys(each.part for each in configured.settings):
        here = [each for each in configured.settings if each.part == part]
        shown = [f"{each.name} ({each.source})" if each.source != "file" else each.name for each in here]
        yield _line(f"[{part}]", ", ".join(shown))
    for link in configured.links:
        yield _line(link.name, link.address, link.problem or "it answers")


def lines(found: Survey) -> Iterator[str]:
    """A survey for a person to read."""
    for runtime in found.runtimes:
        yield _line(runtime.name, _runtime(runtime))
    groups = found.control_groups
    yield _line(
        "control groups",
        groups.version,
        f"{', '.join(groups.missing)} not available" if groups.missing else "cpu, memory and pids available",
        "may make its own" if groups.delegated else "not delegated to this process",
    )
    yield _line("kernel", f"Linux {found.kernel}", found.architecture)
    yield _line("user namespaces", "yes" if found.user_namespaces else "switched off")
    yield _line("seccomp", "yes" if found.seccomp else "missing in this kernel")
    yield _line(
        "file systems",
        "erofs known" if found.erofs else "erofs not loaded",
        "loop devices" if found.loop_devices else "no loop devices",
    )
    yield _line("memory", *_memory(found.memory))
    yield _line("scratch on disk", *_scratch(found.scratch))
    yield _line("processor cores", str(found.cores))
    for image in found.images:
        yield _line("image", image.name, image.measurement[:16] + "...", image.problem or "opened, and as measured")
    if not found.images:
        yield _line("image", "none of today's recipes is built")
    tee = found.tee
    yield _line(
        "trusted hardware",
        *(tee.devices or ("none",)),
        *(["evidence by configfs-tsm"] if tee.reports else ["no configfs-tsm: evidence in software only"]),
    )
    yield ""
    for advice in found.advice:
        yield f"- {advice}"
    yield found.verdict


def _line(name: str, *facts: str) -> str:
    return f"{name + ':':<{_COLUMN}}{'; '.join(facts)}"


def _runtime(runtime: RuntimeFacts) -> str:
    facts = [runtime.version] if runtime.version else []
    facts.append(runtime.verdict)
    if runtime.enforces and not runtime.eligible:
        facts.append("used only if CLOISTER_RUNTIME names it")
    return "; ".join(facts)


def _scratch(scratch: ScratchFacts) -> Iterator[str]:
    yield scratch.folder
    yield f"{scratch.free_bytes / _GIB:.1f} GiB free"
    if scratch.encrypts:
        yield "encrypted by the kernel"
    else:
        yield scratch.problem or "not tried: that needs root"


def _memory(memory: MemoryFacts) -> Iterator[str]:
    yield f"{memory.available_bytes / _GIB:.1f} of {memory.total_bytes / _GIB:.1f} GiB available"
    usual = Limits().memory_bytes
    yield f"as much as {memory.total_bytes // usual} computations with the usual {usual / _GIB:.0f} GiB may use at once"
    yield f"{memory.swap_bytes / _GIB:.1f} GiB of swap" if memory.swap_bytes else "no swap"
    if memory.noswap is not None:
        yield "tmpfs can be kept out of swap" if memory.noswap else "tmpfs can't be kept out of swap"
