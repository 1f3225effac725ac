"""Control groups as other machines have them: the probe, and limits that bite, in a small virtual machine.

All other tests run with what this machine has. There, they are version 1 alone, or version 2 alone. `make vm` runs it,
`make test` doesn't: it takes a few minutes.
"""

from __future__ import annotations

import json
import os

import pytest

from tests.virtual import machine

LIMITS = {"memory", "wall time", "scratch", "output size"}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("groups", ["v1", "v2"])
def test_limits_bite_with_other_control_groups(groups: machine.Groups) -> None:
    assert os.geteuid() == 0, "the virtual machine reads all of this machine's files: run this as root"
    assert machine.missing() is None, machine.missing()
    told = json.loads(machine.run("tests.virtual.guest", groups, timeout_seconds=580))
    assert told["groups"] == {"version": groups, "missing": [], "delegated": True}
    good = {name: of["ends"] for name, of in told["runtimes"].items() if "ends" in of}
    refused = {name: of["refused"] for name, of in told["runtimes"].items() if "refused" in of}
    assert "runc" in good, refused
    for ends in good.values():
        assert ends["output"]["error"] is None
        assert ends["output"]["files"] == {"there": "here"}
        assert {what for what in LIMITS if ends[what]["limit"] == what} == LIMITS
        assert "limit on pids" in ends["pids"]["error"]
        assert ends["memory"]["peak"] > 150 << 20
    # Debian 12's leaves out flags of mounts; newer ones don't. Here it is the probe that knows.
    assert set(refused) <= {"crun"}
    assert all("is not mounted" in words for words in refused.values())
