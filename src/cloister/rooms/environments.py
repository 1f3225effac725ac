"""What Python packages a computation may bring along: requirements as people write them, and the lock they become.

A lock is a list of records, not a text: there is no option, address or path that one could smuggle in. Requirements
are plain ones (PEP 508) for the same reason.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import msgspec
from packaging.requirements import Requirement

from cloister.errors import DefinitionInvalid
from cloister.formats.encoding import Hex32, Record

MAX_REQUIREMENTS = 500
MAX_REQUIREMENTS_LENGTH = 64 * 1024
"""Characters."""
MAX_PACKAGES = 1000
_COMMENT = re.compile(r"(?:^|\s)#.*")

PackageName = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9]+(-[a-z0-9]+)*\Z", max_length=128)]
"""Normalised (PEP 503)."""
PackageVersion = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9]+([.+!_-][a-z0-9]+)*\Z", max_length=128)]
"""Normalised (PEP 440)."""


class LockedPackage(Record, frozen=True, kw_only=True):
    """One package of a lock: whatever an index sends in its name must be one of these files."""

    name: PackageName
    version: PackageVersion
    sha256: Annotated[tuple[Hex32, ...], msgspec.Meta(min_length=1, max_length=64)]
    """Of its wheels that fit the image."""


Lock = Annotated[tuple[LockedPackage, ...], msgspec.Meta(max_length=MAX_PACKAGES)]


def plain_requirements(text: str) -> list[str]:
    """The requirements of a ``requirements.txt``, without comments and empty lines, in a normal form.

    Raises:
        DefinitionInvalid: a line is anything but a plain requirement, or there are too many.
    """
    if len(text) > MAX_REQUIREMENTS_LENGTH:
        raise DefinitionInvalid(f"The requirements have more than {MAX_REQUIREMENTS_LENGTH} characters.")
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        wanted = _COMMENT.sub("", line).strip()
        if not wanted:
            continue
        plain = _plain(wanted)
        if plain is None:
            raise DefinitionInvalid(
                f"Line {number} of the requirements, {wanted[:64]!a}, is not a plain requirement such as "
                "'pandas>=2.1': options, addresses, files and line continuations are not allowed."
            )
        found.append(plain)
    if len(found) > MAX_REQUIREMENTS:
        raise DefinitionInvalid(f"There are {len(found)} requirements; {MAX_REQUIREMENTS} are the most.")
    return found


def _plain(wanted: str) -> str | None:
    """A requirement in its normal form; None where it is anything else."""
    # In a marker a backslash may stand for any character: also for a new line, and what follows would be an option.
    if "\\" in wanted:
        return None
    try:
        requirement = Requirement(wanted)
        plain = str(requirement)
    except (ValueError, RecursionError):
        # Besides what is none: markers may be nested to any depth, and have texts that there is no form for.
        return None
    return plain if requirement.url is None and plain.isprintable() else None


def check_lock(requirements: str, lock: Sequence[LockedPackage]) -> None:
    """Raises:
    DefinitionInvalid: the requirements aren't plain, or the lock can't be theirs.
    """
    wanted = plain_requirements(requirements)
    if bool(wanted) != bool(lock):
        raise DefinitionInvalid(
            "The requirements are not resolved: publish the room with a client that does."
            if wanted
            else "There is a lock of packages, and no requirements that it could come from."
        )
    names = [package.name for package in lock]
    if len(set(names)) != len(names):
        raise DefinitionInvalid("The lock names a package twice.")
