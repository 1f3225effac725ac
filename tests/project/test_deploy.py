"""What `deploy/` holds, as far as can be told without running it: by the checkers of systemd, Kubernetes and
containers, and against the settings and commands that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloister.cli.operators.config import load
from cloister.cli.operators.settings import sections
from tests.documents import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MANIFEST = DEPLOY / "kubernetes/cloister.yaml"
CONTAINERFILE = DEPLOY / "Containerfile"
BIN = Path(sys.executable).parent

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def ran(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120
    )


def documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(MANIFEST.read_text()))


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for document in documents():
        if document["kind"] in ("Deployment", "StatefulSet"):
            yield document["metadata"]["name"], document["spec"]["template"]["spec"]


class TestSystemd:
    def test_there_is_a_unit_for_each_part(self) -> None:
        assert [unit.name for unit in UNITS] == [
            "cloister-enclave.service",
            "cloister-hub.service",
            "cloister-worker@.service",
        ]

    @needs_systemd
    def test_systemd_understands_them(self, tmp_path: Path) -> None:
        """But for the program, which lies where it was installed."""
        for unit in UNITS:
            text = re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", unit.read_text())
            text = re.sub(r"(?m)^#(?=\w+=)", "", text)
            (tmp_path / unit.name.replace("@", "@1")).write_text(text)
        checked = ran("systemd-analyze", "verify", "--man=no", *sorted(tmp_path.iterdir()))
        assert (checked.returncode, checked.stdout) == (0, "")

    @needs_systemd
    @pytest.mark.parametrize(("part", "most"), [("hub", 2.0), ("enclave", 1.5), ("worker@", 8.0)])
    def test_systemd_finds_them_closed(self, part: str, most: float) -> None:
        """0 is the best, 10 the worst. A worker makes containers: it has to be root and to mount."""
        unit = DEPLOY / f"systemd/cloister-{part}.service"
        told = ran("systemd-analyze", "security", "--offline=true", "--no-pager", unit).stdout
        found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)
        assert found is not None, told
        assert float(found[1]) <= most

    @pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
    def test_what_they_set_are_settings(self, unit: Path) -> None:
        """Also what stands there to be switched on."""
        text = unit.read_text().replace("\n#", "\n")
        variables = {setting.variable for settings in sections().values() for setting in settings}
        set_here = set(re.findall(r"(?m)^Environment=(\w+)=", text))
        assert set_here
        assert set_here <= variables
        given = set(re.findall(r"=%d/(\w+)", text))
        assert given == set(re.findall(r"(?m)^LoadCredential=(\w+):", text))

    @pytest.mark.parametrize(("part", "name"), [("hub", "hub"), ("enclave", "enclave"), ("worker@", "worker")])
    def test_each_file_that_a_setting_names_can_be_given_to_them(self, part: str, name: str) -> None:
        """Only root can read these, and hub and enclave run as somebody else."""
        text = (DEPLOY / f"systemd/cloister-{part}.service").read_text()
        files = {each.variable for each in sections()[name] if each.name.endswith("_file")}
        assert files
        assert files <= set(re.findall(r"(?m)^#?Environment=(\w+)=%d/", text))

    @pytest.mark.parametrize(("part", "name"), [("hub", "hub"), ("enclave", "enclave"), ("worker@", "worker")])
    def test_they_give_more_time_to_stop_than_the_parts_take(self, part: str, name: str) -> None:
        text = (DEPLOY / f"systemd/cloister-{part}.service").read_text()
        seconds = re.search(r"(?m)^TimeoutStopSec=(\d+)$", text)
        assert seconds is not None
        assert int(seconds[1]) > grace(name)
        assert f"/cloister {name} --config" in text


class TestKubernetes:
    @pytest.mark.parametrize("version", ["1.28", "1.33"])
    def test_kubernetes_understands_it(self, version: str) -> None:
        checked = ran(BIN / "kubernetes-validate", "--strict", "--quiet", "-k", version, MANIFEST)
        assert (checked.returncode, checked.stdout) == (0, "")

    def test_its_configuration_is_one(self, tmp_path: Path) -> None:
        (config,) = (each for each in documents() if each["kind"] == "ConfigMap")
        file = tmp_path / "cloister.toml"
        file.write_text(config["data"]["cloister.toml"])
        assert set(load(file)) == {"hub", "enclave", "worker", "log"}

    def test_no_secret_is_in_it_but_by_name(self) -> None:
        assert not [each for each in documents() if each["kind"] == "Secret"]
        for _, pod in pods():
            assert [volume for volume in pod["volumes"] if "secret" in volume]
            for container in pod["containers"]:
                assert "env" not in container

    def test_what_is_mounted_and_asked_for_is_there(self) -> None:
        for name, pod in pods():
            (controller,) = (
                each
                for each in documents()
                if each["kind"] in ("Deployment", "StatefulSet") and each["metadata"]["name"] == name
            )
            volumes = {volume["name"] for volume in pod["volumes"]}
            volumes |= {claim["metadata"]["name"] for claim in controller["spec"].get("volumeClaimTemplates", ())}
            for container in (*pod.get("initContainers", ()), *pod["containers"]):
                assert {mount["name"] for mount in container.get("volumeMounts", ())} <= volumes
            ports = {port["name"] for container in pod["containers"] for port in container["ports"]}
            for container in pod["containers"]:
                for probe in ("livenessProbe", "readinessProbe"):
                    assert container[probe]["httpGet"]["port"] in ports
            (service,) = (
                each for each in documents() if each["kind"] == "Service" and each["metadata"]["name"] == name
            )
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
            assert service["spec"]["selector"] == controller["spec"]["template"]["metadata"]["labels"]
            assert pod["terminationGracePeriodSeconds"] > grace(name)

    def test_only_workers_are_privileged(self) -> None:
        for name, pod in pods():
            for container in pod["containers"]:
                assert container["securityContext"].get("privileged", False) is (name == "worker")
                assert not pod["automountServiceAccountToken"]


class TestContainers:
    def test_the_linter_has_nothing_to_say(self) -> None:
        checked = ran(BIN / "hadolint", "--no-color", CONTAINERFILE)
        assert (checked.returncode, checked.stdout) == (0, "")

    def test_there_is_a_target_for_each_part_that_starts_it(self) -> None:
        text = CONTAINERFILE.read_text()
        for part in ("hub", "enclave", "worker"):
            stage = re.search(rf"(?ms)^FROM \S+ AS {part}$(.*?)(?=^FROM|\Z)", text)
            assert stage is not None
            assert f'CMD ["{part}"]' in stage[1]
            assert ("USER 8642" in stage[1]) is (part != "worker")

    def test_packages_come_by_hash_alone(self) -> None:
        text = CONTAINERFILE.read_text().replace("\\\n", " ")
        for install in re.findall(r"pip install ([^&\n]*)", text):
            assert "--require-hashes" in install or "--no-deps" in install
        assert "--no-build-isolation" in text

    def test_what_it_copies_is_there_and_not_left_out(self) -> None:
        text = CONTAINERFILE.read_text()
        kept = [line.removeprefix("!") for line in (ROOT / ".containerignore").read_text().splitlines() if "!" in line]
        for line in re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", text):
            for name in line.split():
                assert (ROOT / name).exists(), name
                assert any(name == each or name.startswith(f"{each}/") for each in kept), name


def grace(part: str) -> float:
    """Seconds that a part takes to stop, at most, where nothing else is set."""
    (setting,) = (each for each in sections()[part] if each.name == "grace")
    return float(setting.default)
