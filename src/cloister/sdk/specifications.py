"""Which enclaves and workers a user accepts: reference values under the names that scripts know.

A client always demands proof that the enclave is one that this release knows. Specifications narrow that down: a room
that is published or retrieved with them has no other enclaves and no other workers, or the client refuses.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from cloister.errors import BadRequestError, EvidenceRejected
from cloister.rooms.definition import Definition, Reference
from cloister.trust import software
from cloister.version import VERSION
from cloister.wire.channel import KNOWN_ENCLAVES

KNOWN_WORKERS = (Reference(evidence=software.TYPE, measurement=software.measurement("worker")),)
"""Reference values of the workers that belong to this release."""

_DOCUMENTED_VERSION = re.compile(r"v[0-9]{1,6}\Z")


@dataclass(frozen=True)
class EnclaveSpecification:
    """One part of an installation, and what its evidence must show to be accepted as that."""

    name: str
    version: str
    part: Literal["enclave", "worker"]
    references: tuple[Reference, ...]


EnclaveSpecs = Mapping[str, EnclaveSpecification]
"""By name, as `EnclaveSpecifications.latest` and `versions` give them."""


class EnclaveSpecifications:
    """A collection of specifications to choose from."""

    def __init__(self, specifications: Iterable[EnclaveSpecification]) -> None:
        """Of several with the same name the last is the latest."""
        self._by_name: dict[str, dict[str, EnclaveSpecification]] = {}
        for each in specifications:
            self._by_name.setdefault(each.name, {})[each.version] = each

    def list(self) -> builtins.list[str]:
        """What can be named to `versions`: ``name:version`` of each."""
        return [f"{each.name}:{each.version}" for each in self.all()]

    def all(self) -> builtins.list[EnclaveSpecification]:
        """Every one of them."""
        return [each for versions in self._by_name.values() for each in versions.values()]

    def latest(self) -> dict[str, EnclaveSpecification]:
        """The newest of each name."""
        return {name: [*versions.values()][-1] for name, versions in self._by_name.items()}

    def versions(self, enclave_versions: Iterable[str]) -> dict[str, EnclaveSpecification]:
        """Those that are named, as ``name:version``.

        The documented names (``decentriq...``) stand for parts of Cloister, which has none of the versions that they
        have elsewhere (``v23``): those stand for the latest.

        Raises:
            BadRequestError: there is no such one.
        """
        if isinstance(enclave_versions, str):
            raise BadRequestError(f"Versions are given as a list: write [{enclave_versions!r}].")
        chosen = (self._find(str(each)) for each in enclave_versions)
        return {each.name: each for each in chosen}

    def merge(self, other: EnclaveSpecifications) -> EnclaveSpecifications:
        """These and those of another collection; where both have one, that of the other."""
        return EnclaveSpecifications([*self.all(), *other.all()])

    def _find(self, wanted: str) -> EnclaveSpecification:
        name, _, version = wanted.partition(":")
        versions = self._by_name.get(name, {})
        if version in versions:
            return versions[version]
        if versions and name in DOCUMENTED and _DOCUMENTED_VERSION.match(version):
            return self.latest()[name]
        raise BadRequestError(
            f"There is no enclave specification {wanted[:100]!a}. There are: {', '.join(self.list())}."
        )

    def __repr__(self) -> str:
        return f"EnclaveSpecifications({self.list()})"


DOCUMENTED: Mapping[str, Literal["enclave", "worker"]] = {
    "decentriq.driver": "enclave",
    "decentriq.python-ml-worker-32-64": "worker",
    "decentriq.python-ml-worker-32-32": "worker",
    "decentriq.python-synth-data-worker-32-64": "worker",
    "decentriq.r-ml-worker-32-32": "worker",
    "decentriq.r-latex-worker-32-32": "worker",
    "decentriq.sql-worker": "worker",
    "decentriq.s3-sink-worker": "worker",
    "decentriq.dataset-sink-worker": "worker",
}
"""Names that scripts written for the documented SDK use. One kind of worker runs all kinds of computations here."""


def _of_this_release() -> EnclaveSpecifications:
    names: dict[str, Literal["enclave", "worker"]] = {"cloister.enclave": "enclave", "cloister.worker": "worker"}
    values = {"enclave": KNOWN_ENCLAVES, "worker": KNOWN_WORKERS}
    return EnclaveSpecifications(
        EnclaveSpecification(name, VERSION, part, values[part]) for name, part in (names | dict(DOCUMENTED)).items()
    )


enclave_specifications = _of_this_release()
"""The enclaves and workers that this release knows."""


@dataclass(frozen=True)
class Accepted:
    """What remains of all enclaves and workers once specifications were given."""

    enclaves: frozenset[Reference]
    workers: frozenset[Reference]

    def check_enclave(self, proven: Reference) -> None:
        """Raises:
        EvidenceRejected: the enclave that has proven itself is not among them.
        """
        if proven not in self.enclaves:
            raise EvidenceRejected(
                "The enclave that is there is not among enclave_specs. Nothing was sent to it. Ask its operator which "
                "version it is; if you trust that one too, add its specification."
            )

    def check(self, definition: Definition) -> None:
        """Raises:
        EvidenceRejected: the room may be held, or computed, by something that is not among them.
        """
        for what, named, accepted in (
            ("an enclave", definition.enclaves, self.enclaves),
            ("a worker", definition.workers, self.workers),
        ):
            if not accepted.issuperset(named):
                raise EvidenceRejected(
                    f"The room's definition names {what} that is not among enclave_specs. Leave the room alone, or "
                    "add the specification of what you trust too."
                )

    def narrowed(self, offered: Iterable[Reference], part: Literal["enclaves", "workers"]) -> tuple[Reference, ...]:
        """Those of the offered ones that are accepted.

        Raises:
            EvidenceRejected: there are none.
        """
        accepted = self.enclaves if part == "enclaves" else self.workers
        chosen = tuple(each for each in offered if each in accepted)
        if not chosen:
            raise EvidenceRejected(f"None of the {part} that are there is among enclave_specs. Add the ones you trust.")
        return chosen


def accepted(*several: EnclaveSpecs | None) -> Accepted | None:
    """What all of the given specifications accept; None where there are none.

    Raises:
        BadRequestError: what was given isn't specifications, or names no enclave.
    """
    found: Accepted | None = None
    for specs in several:
        if specs is None:
            continue
        if not isinstance(specs, Mapping) or not all(isinstance(e, EnclaveSpecification) for e in specs.values()):
            raise BadRequestError("enclave_specs are what enclave_specifications.latest() or .versions([...]) gives.")
        parts = {
            part: frozenset(reference for each in specs.values() if each.part == part for reference in each.references)
            for part in ("enclave", "worker")
        }
        if not parts["enclave"]:
            raise BadRequestError("enclave_specs name no enclave: add that of 'cloister.enclave' (decentriq.driver).")
        found = Accepted(
            parts["enclave"] & found.enclaves if found else parts["enclave"],
            parts["worker"] & found.workers if found else parts["worker"],
        )
    return found
