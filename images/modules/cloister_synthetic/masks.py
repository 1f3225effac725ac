"""Values that are made up: nothing of the original is looked at. Of types with a form of their own they have that."""

from __future__ import annotations

import os
import string
from collections.abc import Callable
from typing import TYPE_CHECKING

from cloister_synthetic.settings import Column

if TYPE_CHECKING:
    from faker import Faker

Value = str | int | float


class Masks:
    """Makes values up, others in each run."""

    def __init__(self) -> None:
        from faker import Faker

        self._faker = Faker("en_US", use_weighting=False)
        self._faker.seed_instance(int.from_bytes(os.urandom(32)))

    def maker(self, column: Column) -> Callable[[], Value]:
        """Makes one value of a column each time that it is called."""
        faker = self._faker
        if column.format in ("INTEGER", "FLOAT"):
            return _number(faker, column)
        forms: dict[str, Callable[[], Value]] = {
            "EMAIL": lambda: faker.ascii_safe_email().lower(),
            "DATE_ISO8601": lambda: faker.date_between("-80y", "today").isoformat(),
            "PHONE_NUMBER_E164": lambda: "+1" + faker.numerify("%##%######"),
            "HASH_SHA256_HEX": lambda: faker.sha256(),
        }
        masks: dict[str, Callable[[], Value]] = {
            "genericString": lambda: faker.pystr_format("????????????", string.ascii_lowercase),
            "genericNumber": lambda: str(faker.random_int(0, 999_999_999)),
            "name": faker.name,
            "address": lambda: faker.address().replace("\n", ", "),
            "postcode": faker.postcode,
            "phoneNumber": faker.phone_number,
            "socialSecurityNumber": faker.ssn,
            "email": lambda: faker.ascii_safe_email().lower(),
            "date": lambda: faker.date_between("-80y", "today").isoformat(),
            "timestamp": lambda: faker.date_time_between("-10y", "now").strftime("%Y-%m-%dT%H:%M:%SZ"),
            "iban": faker.iban,
        }
        return forms.get(column.format) or masks[column.mask]


def _number(faker: Faker, column: Column) -> Callable[[], Value]:
    """Numbers stay numbers, whatever the mask: a date is a day since 1970, a timestamp a second."""
    kind = float if column.format == "FLOAT" else int
    if column.mask == "timestamp":
        return lambda: kind(faker.date_time_between("-10y", "now").timestamp())
    if column.mask == "date":
        return lambda: kind(faker.date_time_between("-80y", "now").timestamp() // 86400)
    if column.format == "FLOAT":
        return lambda: faker.pyfloat(right_digits=6, min_value=0, max_value=1_000_000)
    return lambda: faker.random_int(0, 999_999_999)
