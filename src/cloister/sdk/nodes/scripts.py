"""Scripts of a published room, and the packages that they bring along."""

from __future__ import annotations

from typing import Any

import msgspec

from cloister.errors import EnclaveError
from cloister.sdk.nodes.compute import ZipComputeNode


class ScriptComputeNode(ZipComputeNode):
    """A script; its result is a zip of what it wrote to ``/output``."""


class PythonComputeNode(ScriptComputeNode):
    """A Python script."""


class RComputeNode(ScriptComputeNode):
    """An R script."""


class PythonEnvironmentComputeNode(ZipComputeNode):
    """Python packages for scripts; its result is a zip with the report of what was installed."""

    def get_installation_report_as_dict(self) -> dict[str, Any]:
        """What was installed, in the form of pip's installation report where that says something about it: under
        ``install`` each package's name, version and hashes. Besides: ``size`` in bytes, ``files``, and the ``seconds``
        that installing took. Runs the computation first if nothing was run here.

        Raises:
            EnclaveError: it could not be installed; the message is the installer's own.
            As `get_results_as_zip` besides.
        """
        if self.job_id is None:
            self.run_computation()
        with self.get_results_as_zip() as archive:
            try:
                return msgspec.json.decode(archive.read("report.json"), type=dict[str, Any])
            except (KeyError, msgspec.DecodeError):
                raise EnclaveError(f"The result of {self.name!r} is no report. Tell the operator.") from None
