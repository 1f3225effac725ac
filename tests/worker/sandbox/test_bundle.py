"""The configuration of a container, as a value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cloister.rooms.limits import MIB, Limits
from cloister.worker.sandbox import bundle, seccomp

LIMITS = Limits(memory_bytes=64 * MIB, pids=10, cpus=1.5, wall_seconds=5)
RUN = Path("/run/x")
PLACES = bundle.Places(
    root=RUN / "root",
    input=RUN / "input",
    code=RUN / "code",
    code_target="/input/code",
    output=RUN / "output",
    tmp=RUN / "tmp",
    scratch=RUN / "scratch",
    shared_memory=RUN / "shm",
    devices=RUN / "devices",
)


def configuration(**changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "argv": ["/bin/true"],
        "places": PLACES,
        "limits": LIMITS,
        "first_host_id": 1_900_000_000,
        "cgroup": "/x",
        "machine": "x86_64",
        "open_files": 1000,
    }
    return bundle.configuration(**(arguments | changes))


def test_it_is_json() -> None:
    assert json.loads(json.dumps(configuration())) == configuration()


def test_every_namespace_is_new() -> None:
    namespaces = configuration()["linux"]["namespaces"]
    assert {each["type"] for each in namespaces} == {"user", "mount", "pid", "network", "ipc", "uts", "cgroup"}
    assert all("path" not in each for each in namespaces)


def test_no_rights() -> None:
    process = configuration()["process"]
    assert process["user"]["uid"] == process["user"]["gid"] == 1000
    assert all(rights == [] for rights in process["capabilities"].values())
    assert len(process["capabilities"]) == 5
    assert process["noNewPrivileges"] is True
    assert {"type": "RLIMIT_CORE", "hard": 1, "soft": 1} in process["rlimits"]


def test_users_are_mapped_to_nobody() -> None:
    linux = configuration()["linux"]
    assert linux["uidMappings"] == linux["gidMappings"]
    assert [(row["containerID"], row["hostID"], row["size"]) for row in linux["uidMappings"]] == [
        (0, 1_900_000_000, 1),
        (1000, 1_900_001_000, 1),
    ]


def test_mounts() -> None:
    mounts = {mount["destination"]: set(mount["options"]) for mount in configuration()["mounts"]}
    assert mounts.keys() == {
        *("/proc", "/dev", "/dev/shm", "/input", "/input/code", "/output", "/tmp", "/scratch"),
    }
    assert all("nosuid" in options for options in mounts.values())
    assert all("nodev" in options for target, options in mounts.items() if target != "/dev")
    assert {target for target, options in mounts.items() if "ro" in options} == {"/dev", "/input", "/input/code"}
    assert {target for target, options in mounts.items() if "noexec" not in options} == {"/tmp", "/scratch"}
    assert mounts["/proc"] >= {"subset=pid", "hidepid=invisible"}
    assert configuration()["root"]["readonly"] is True


def test_resources() -> None:
    resources = configuration()["linux"]["resources"]
    assert resources["memory"] == {"limit": 64 * MIB, "swap": 64 * MIB}
    assert resources["pids"] == {"limit": 11}
    assert resources["cpu"] == {"period": 100_000, "quota": 150_000}
    assert resources["devices"][0] == {"allow": False, "access": "rwm"}
    assert all(rule["major"] == 1 for rule in resources["devices"][1:])
    assert configuration(swap_limit=False)["linux"]["resources"]["memory"] == {"limit": 64 * MIB}


def test_the_environment_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    variables = configuration()["process"]["env"]
    assert not any(variable.startswith("SECRET") for variable in variables)
    assert "OMP_NUM_THREADS=2" in variables


def test_the_filter_is_a_list_of_what_is_allowed() -> None:
    profile = seccomp.profile("x86_64")
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert profile["architectures"] == ["SCMP_ARCH_X86_64"]
    allowed = {name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}
    never = """
        mount umount umount2 pivot_root chroot fsopen fsmount fspick open_tree move_mount mount_setattr ptrace kcmp
        process_vm_readv process_vm_writev process_madvise pidfd_getfd keyctl add_key request_key bpf perf_event_open
        userfaultfd io_uring_setup io_uring_enter io_uring_register io_setup io_submit mknod mknodat name_to_handle_at
        open_by_handle_at memfd_secret shmget shmat semget semop msgget mq_open inotify_init inotify_init1
        inotify_add_watch fanotify_init fanotify_mark setns unshare clone3 init_module finit_module delete_module
        kexec_load kexec_file_load reboot swapon swapoff iopl ioperm modify_ldt syslog acct quotactl settimeofday
        clock_settime clock_adjtime adjtimex sethostname setdomainname seccomp vhangup lookup_dcookie
    """
    assert allowed.isdisjoint(never.split())
    actions = {rule["action"] for rule in profile["syscalls"]}
    assert actions == {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"}


def test_calls_with_conditions_are_never_allowed_without() -> None:
    conditional = {"clone", "chmod", "fchmod", "fchmodat", "socket", "socketpair", "ioctl", "personality"}
    rules = seccomp.profile("x86_64")["syscalls"]
    assert all("args" in rule for rule in rules if conditional.intersection(rule["names"]))
    operators = {argument["op"] for rule in rules for argument in rule.get("args", [])}
    assert operators == {"SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"}  # never "anything but"


def test_other_architectures() -> None:
    assert seccomp.profile("aarch64")["architectures"] == ["SCMP_ARCH_AARCH64"]
    with pytest.raises(ValueError, match="riscv64"):
        seccomp.profile("riscv64")
