"""The same scripts where /input, /output, /tmp and /scratch lie encrypted on a disk, and one after that file system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cloister.rooms.limits import MIB, Limits
from cloister.worker.runners.script import blueprint
from cloister.worker.sandbox import probe
from cloister.worker.sandbox.container import Container, Sandbox
from cloister.worker.sandbox.encrypted import Disk
from cloister.worker.sandbox.frame import DiskPlace, Room, output_room, scratch_room
from tests.attacks.test_sandbox_files import (
    test_a_link_among_the_inputs_is_refused,
    test_a_socket_among_the_inputs_is_refused,
    test_fifos_and_devices_cannot_be_made,
    test_modes_in_the_output_do_not_count,
    test_odd_things_in_the_output,
    test_tasks_at_the_same_time_do_not_see_each_other,
    test_the_input_is_unchanged_on_the_host,
    test_the_next_task_finds_nothing_of_the_last,
    test_writes_where_nothing_may_be_written,
)
from tests.attacks.test_sandbox_kernel import FINDINGS, PRELUDE
from tests.containers import SMALL, Machine

__all__ = [
    "test_a_link_among_the_inputs_is_refused",
    "test_a_socket_among_the_inputs_is_refused",
    "test_fifos_and_devices_cannot_be_made",
    "test_modes_in_the_output_do_not_count",
    "test_odd_things_in_the_output",
    "test_tasks_at_the_same_time_do_not_see_each_other",
    "test_the_input_is_unchanged_on_the_host",
    "test_the_next_task_finds_nothing_of_the_last",
    "test_writes_where_nothing_may_be_written",
]


class OnDisk(Machine):
    """Containers with everything that can lie on a disk there."""

    def container(self, limits: Limits = SMALL, inputs: Iterable[str] = ()) -> AbstractContextManager[Container]:
        """One for a Python computation."""
        wanted = blueprint(self.language, self.image_root, limits, {name.partition("/")[0] for name in inputs})
        rooms: dict[DiskPlace, Room] = {
            "input": Room(4 * MIB, 200),
            "output": output_room(limits),
            "scratch": scratch_room(limits),
        }
        return self.sandbox.container(wanted, rooms)


@pytest.fixture(scope="module")
def machine(image_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """In place of the others."""
    folder = tmp_path_factory.mktemp("disk")
    with Sandbox(probe.detect(image_root), disk=Disk(folder)) as sandbox:
        yield OnDisk(sandbox, image_root)
    assert list(folder.iterdir()) == []


def test_the_file_system_of_the_disk(machine: Machine) -> None:
    """Its own calls, which memory doesn't have: none stops it, takes its key away, or tells where it lies."""
    ran = machine.run(
        PRELUDE
        + """
import fcntl
open("/tmp/file", "w").write("x")
file = os.open("/tmp/file", os.O_RDWR)
for name, number, argument in (
    ("what its key is called", 0xC0096616, struct.pack("=Q24s", 24, b"")),
    ("take its key away", 0xC0406618, struct.pack("=II32sI20s", 2, 0, b"", 0, b"")),
    ("take everybody's key away", 0xC0406619, struct.pack("=II32sI20s", 2, 0, b"", 0, b"")),
    ("unchangeable", 0x40086602, struct.pack("=Q", 0x10)),
    ("append only", 0x40086602, struct.pack("=Q", 0x20)),
    ("freeze", 0xC0045877, bytes(4)),
    ("trim", 0xC0185879, struct.pack("=QQQ", 0, 1 << 40, 0)),
    ("shut down", 0x8004587D, struct.pack("=I", 2)),
    ("resize", 0x40086610, struct.pack("=Q", 1 << 30)),
    ("swap with the boot loader", 0x6611, b""),
    ("label", 0x41009432, b"x".ljust(256, bytes(1))),
):
    attempt(name, lambda: (fcntl.ioctl(file, number, argument), "got it")[1])
with open("/output/after", "w") as after:
    after.write("written")
found["mounts"] = open("/proc/self/mountinfo").read()
"""
        + FINDINGS,
        enable_logs_on_success=True,
    )
    seen = ran.json()
    mounts = seen.pop("mounts")
    assert set(seen.values()) == {"EPERM"}, seen
    assert len(seen) == 11
    assert ran.files["after"] == b"written"
    assert " ext4 " in mounts
    assert not [word for word in ("loop", "vda", "cloister", "sandboxes", "pytest") if word in mounts]
