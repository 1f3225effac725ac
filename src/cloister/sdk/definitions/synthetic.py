"""Synthetic data as it is defined."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, StrEnum

import msgspec
from msgspec import UNSET

from cloister.errors import DefinitionInvalid
from cloister.rooms import tables
from cloister.rooms.limits import Limits
from cloister.rooms.nodes import SyntheticNode
from cloister.sdk.definitions.base import SYNTHETIC_IMAGE, LoggedDefinition, checked
from cloister.sdk.definitions.data import FormatType, PrimitiveType, format_of


class MaskType(StrEnum):
    """What the values of a masked column are replaced with."""

    GENERIC_STRING = "genericString"
    GENERIC_NUMBER = "genericNumber"
    NAME = "name"
    ADDRESS = "address"
    POSTCODE = "postcode"
    PHONE_NUMBER = "phoneNumber"
    SOCIAL_SECURITY_NUMBER = "socialSecurityNumber"
    EMAIL = "email"
    DATE = "date"
    TIMESTAMP = "timestamp"
    IBAN = "iban"


class SyntheticNodeColumn:
    """One column that synthetic data is made for."""

    def __init__(
        self,
        data_type: FormatType | PrimitiveType | str,
        index: int,
        mask_type: MaskType | str,
        should_mask_column: bool,
        is_nullable: bool = True,
        name: str | None = None,
    ) -> None:
        """
        Args:
            data_type: what its values are.
            index: of the column in the table that it is made from, from 0.
            mask_type: what its values are replaced with, if they are.
            should_mask_column: whether they are: then nothing of the column is learnt.
            name: what it is called in the result; as in the table without it.

        Raises:
            DefinitionInvalid: there is no such type or mask.
        """
        mask = mask_type.value if isinstance(mask_type, Enum) else str(mask_type)
        try:
            self._record = tables.SyntheticColumn(
                index=msgspec.convert(index, int),
                name=UNSET if name is None else name,
                type=format_of(data_type, f"The column {index}"),
                mask_type=msgspec.convert(mask, tables.Mask),
                mask=should_mask_column,
                nullable=is_nullable,
            )
        except msgspec.ValidationError:
            known = ", ".join(each.value for each in MaskType)
            raise DefinitionInvalid(
                f"The index {index!r} or the mask {mask[:64]!a} of a column isn't one: masks are {known}."
            ) from None

    @classmethod
    def of(cls, record: tables.SyntheticColumn) -> SyntheticNodeColumn:
        """The face of a column of a published room."""
        name = None if record.name is UNSET else record.name
        return cls(record.type, record.index, record.mask_type, record.mask, record.nullable, name)

    @property
    def record(self) -> tables.SyntheticColumn:
        """As the room's definition holds it."""
        return self._record

    @property
    def data_type(self) -> PrimitiveType | FormatType:
        """What its values are: a `PrimitiveType`, unless that doesn't say all."""
        primitive = self._record.type.lower()
        return PrimitiveType(primitive) if primitive in set(PrimitiveType) else FormatType(self._record.type)

    @property
    def index(self) -> int:
        """Of the column in the table that it is made from."""
        return self._record.index

    @property
    def mask_type(self) -> MaskType:
        """What its values are replaced with, if they are."""
        return MaskType(self._record.mask_type)

    @property
    def should_mask_column(self) -> bool:
        """Whether its values are replaced."""
        return self._record.mask

    @property
    def is_nullable(self) -> bool:
        """Whether it may have empty cells."""
        return self._record.nullable

    @property
    def name(self) -> str | None:
        """What it is called in the result, if not as in the table."""
        return None if self._record.name is UNSET else self._record.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SyntheticNodeColumn) and self._record == other._record

    def __hash__(self) -> int:
        return hash(self._record)

    def __repr__(self) -> str:
        return f"SyntheticNodeColumn({self.data_type!s}, {self.index}, {self.mask_type!s})"


class SyntheticDataComputeNodeDefinition(LoggedDefinition):
    """A table like another, made with differential privacy."""

    _record: SyntheticNode

    def __init__(
        self,
        name: str,
        columns: Sequence[SyntheticNodeColumn],
        dependency: str,
        epsilon: float,
        output_original_data_statistics: bool = False,
        enable_logs_on_error: bool = False,
        enable_logs_on_success: bool = False,
        id: str | None = None,  # noqa: A002 - documented name
        *,
        image: str = SYNTHETIC_IMAGE,
        limits: Limits | None = None,
    ) -> None:
        """
        Args:
            columns: those of the table that the result has.
            dependency: id of the table that it is made from.
            epsilon: the privacy that a run costs: the smaller, the more private and the less like the table.
            output_original_data_statistics: whether the report compares it with the table itself. That is not private:
                the data owners have to agree to it.

        Raises:
            DefinitionInvalid: the columns are not `SyntheticNodeColumn`.
        """
        if not all(isinstance(column, SyntheticNodeColumn) for column in columns):
            raise DefinitionInvalid(f"The columns of {name!r} must be a list of SyntheticNodeColumn.")
        self._record = checked(
            SyntheticNode(
                id=name if id is None else id,
                name=name,
                columns=tuple(column.record for column in columns),
                dependency=dependency,
                epsilon=epsilon,
                statistics=output_original_data_statistics,
                logs_on_error=enable_logs_on_error,
                logs_on_success=enable_logs_on_success,
                image=image,
                limits=limits or Limits(),
            )
        )

    @property
    def record(self) -> SyntheticNode:
        return self._record

    @property
    def columns(self) -> list[SyntheticNodeColumn]:
        """Those of the table that the result has."""
        return [SyntheticNodeColumn.of(column) for column in self._record.columns]

    @property
    def dependency(self) -> str:
        """Id of the table that it is made from."""
        return self._record.dependency

    @property
    def epsilon(self) -> float:
        """The privacy that a run costs."""
        return self._record.epsilon

    @property
    def output_original_data_statistics(self) -> bool:
        """Whether the report compares it with the table itself."""
        return self._record.statistics
