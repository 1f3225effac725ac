"""Large files: encrypted and uploaded, fetched and decrypted, and the memory that it takes everywhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import psutil

from bench.report import Row, Table
from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.sdk.key import Key
from cloister.sdk.uploads import Transfers
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience
from cloister.wire.transfers import download
from tests.installation import Installation, data_node, run

MIB = 1024 * 1024
USER = "bulk@bench.example"
COPY = """
import shutil
shutil.copyfile("/input/file", "/output/file")
"""


class Moved(msgspec.Struct, frozen=True):
    """What a client process has measured of itself."""

    upload_seconds: float
    download_seconds: float
    processor_seconds: dict[str, float]
    """Of client and hub, each way."""
    peak_bytes: int


def move(url: str, token: str, file: Path, hub_process: int) -> Moved:
    """Uploads a file and downloads it again, as the SDK does."""
    hub, key = Hub(url, token), Key()
    parts = {"client": psutil.Process(), "hub": psutil.Process(hub_process)}

    def used() -> dict[str, float]:
        return {name: sum(process.cpu_times()[:2]) for name, process in parts.items()}

    try:
        before, started = used(), time.perf_counter()
        manifest = Transfers(hub, Patience()).upload(file, key)
        between, uploaded = used(), time.perf_counter()
        with file.with_suffix(".back").open("wb") as back:
            download(hub, manifest, key.material, back, patience=Patience())
        after, ended = used(), time.perf_counter()
        hub.delete_blob(manifest.dataset)
    finally:
        hub.close()
    return Moved(
        upload_seconds=uploaded - started,
        download_seconds=ended - uploaded,
        processor_seconds={f"{name}, up": between[name] - before[name] for name in parts}
        | {f"{name}, down": after[name] - between[name] for name in parts},
        peak_bytes=_peak(os.getpid()),
    )


def measure(installation: Installation, place: Path, sizes: Sequence[int]) -> list[Table]:
    """Files of so many MiB, through a hub on this machine, next to what the machine can do at all."""
    token = installation.token(USER)
    hub = installation.part("hub")
    speeds: dict[int, list[tuple[str, float]]] = {}
    peaks: list[Row] = []
    processor: list[Row] = []
    for size in sizes:
        file = place / f"{size}.bin"
        with file.open("wb") as out:
            for _ in range(size):
                out.write(os.urandom(MIB))
        copying = time.perf_counter()
        shutil.copyfile(file, file.with_suffix(".copy"))
        copied = time.perf_counter() - copying
        _forget_peak(hub)
        command = [sys.executable, "-m", "bench.bulk", installation.url, token, str(file), str(hub.pid)]
        ran = subprocess.run(command, check=True, capture_output=True)
        moved = msgspec.json.decode(ran.stdout, type=Moved)
        if not _same(file, file.with_suffix(".back")):
            raise RuntimeError("what came back is not what was sent")
        worker = installation.part("worker")
        _forget_peak(worker)
        _compute(installation, file)
        for each in (file, file.with_suffix(".back"), file.with_suffix(".copy")):
            each.unlink()
        speeds[size] = [
            ("cp", size / copied),
            ("encrypt and upload", size / moved.upload_seconds),
            ("fetch and decrypt", size / moved.download_seconds),
        ]
        processor = [
            Row(name=who, value=max(seconds, 1e-6) / size * 1_000_000, unit="us")
            for who, seconds in moved.processor_seconds.items()
        ]
        for who, peak in (("client", moved.peak_bytes), ("hub", _peak(hub.pid)), ("worker", _peak(worker.pid))):
            peaks.append(Row(name=f"{size} MiB: {who}", value=peak / MIB, unit="MiB"))
    aes = _openssl()
    tables = [
        Table(
            title=f"A file of {size} MiB, client to hub and back",
            rows=(
                Row(name="openssl speed, AES-256-GCM, one core", value=aes, unit="MiB/s", ratio=1.0),
                *(Row(name=name, value=speed, unit="MiB/s", ratio=speed / aes) for name, speed in measured),
            ),
            notes=("client and hub share the machine's cores",),
        )
        for size, measured in speeds.items()
    ]
    return [
        *tables,
        Table(title=f"Processor time for a MiB, of {sizes[-1]}", rows=tuple(processor)),
        Table(
            title="Peak of resident memory, by the size of the file",
            rows=tuple(peaks),
            notes=("the worker computes on the file as well; what the script reads lies in its scratch, not in here",),
        ),
    ]


def _compute(installation: Installation, file: Path) -> None:
    """A computation that reads the file and brings it back."""
    client = installation.client(USER)
    builder = AnalyticsDcrBuilder(client=client).with_name("Bulk").with_owner(USER)
    builder.add_node_definition(RawDataNodeDefinition(name="file", is_required=True))
    builder.add_node_definition(PythonComputeNodeDefinition(name="copy", script=COPY, dependencies=["file"]))
    builder.add_participant(USER, data_owner_of=["file"], analyst_of=["copy"])
    room = client.publish_analytics_dcr(builder.build())
    with file.open("rb") as data:
        data_node(room, "file").upload_and_publish_dataset(data, Key(), file.name)
    run(room, "copy").close()


def _openssl() -> float:
    """MiB a second that one core encrypts, in blocks of 16 KiB as datasets are."""
    command = ["openssl", "speed", "-seconds", "1", "-bytes", "16384", "-evp", "aes-256-gcm"]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    found = re.search(r"AES-256-GCM\s+([\d.]+)k", ran.stdout)
    if found is None:
        raise RuntimeError(f"openssl speed says something else: {ran.stdout[-200:]!r}")
    return float(found[1]) * 1000 / MIB


def _same(one: Path, other: Path) -> bool:
    return subprocess.run(["cmp", "--quiet", one, other], check=False).returncode == 0


def _peak(pid: int) -> int:
    """Bytes of resident memory at most, since the process began or `_forget_peak`."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def _forget_peak(process: psutil.Process) -> None:
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")


if __name__ == "__main__":
    url, token, file, process = sys.argv[1:]
    print(msgspec.json.encode(move(url, token, Path(file), int(process))).decode())
