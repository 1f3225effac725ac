/** One column of a table. It is moved by its handle: dragged, or with the arrow keys. */

import { ActionIcon, Checkbox, Group, NativeSelect, Table, TextInput } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconGripVertical, IconTrash } from "@tabler/icons-react";
import { type DragEvent, type KeyboardEvent, memo, useState } from "react";

import { FORMATS } from "../../../components/formats";
import type { Column } from "../../../core/records";
import styles from "./Data.module.css";
import { RangeOf } from "./RangeOf";
import { isNumber } from "./tables";

const TYPES = Object.entries(FORMATS).map(([value, { label }]) => ({ value, label }));
const DRAGGED = "application/x-cloister-column";

interface Props {
  index: number;
  /** The place of the last column. */
  last: number;
  column: Column;
  onChange: (index: number, fields: Partial<Column>) => void;
  onMove: (from: number, to: number, name: string) => void;
  onRemove: (index: number) => void;
}

export const ColumnRow = memo(function ColumnRow({ index, last, column, onChange, onMove, onRemove }: Props) {
  const [over, setOver] = useState(false);
  const { name, type, nullable, hashed } = column;
  const named = name === "" ? `column ${index + 1}` : name;
  const move = (to: number): void => onMove(index, to, named);
  const pressed = (event: KeyboardEvent): void => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step !== undefined && index + step >= 0 && index + step <= last) {
      event.preventDefault();
      move(index + step);
    }
  };
  const dropped = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    const from = Number.parseInt(event.dataTransfer.getData(DRAGGED), 10);
    if (from >= 0 && from <= last && from !== index) {
      onMove(from, index, "The column");
    }
  };
  return (
    <Table.Tr
      className={styles["row"]}
      data-column={index}
      data-over={over || undefined}
      onDragOver={(event) => {
        if (event.dataTransfer.types.includes(DRAGGED)) {
          event.preventDefault();
          setOver(true);
        }
      }}
      onDragLeave={() => setOver(false)}
      onDrop={dropped}
    >
      <Table.Td className={styles["number"]}>
        <Group gap={2} wrap="nowrap">
          <ActionIcon
            className={styles["handle"]}
            variant="subtle"
            color="gray"
            size="sm"
            draggable
            data-handle
            aria-label={`Move ${named}: drag, or arrow keys`}
            onDragStart={(event) => event.dataTransfer.setData(DRAGGED, String(index))}
            onKeyDown={pressed}
          >
            <IconGripVertical size={14} />
          </ActionIcon>
          {index + 1}
        </Group>
      </Table.Td>
      <Table.Td miw={170}>
        <TextInput
          size="xs"
          aria-label={`Name of column ${index + 1}`}
          value={name}
          maxLength={512}
          error={name.trim() === ""}
          onChange={(event) => onChange(index, { name: event.currentTarget.value })}
        />
      </Table.Td>
      <Table.Td>
        <NativeSelect
          size="xs"
          miw={130}
          aria-label={`Type of ${named}`}
          data={TYPES}
          value={type}
          onChange={(event) => onChange(index, { type: event.currentTarget.value as Column["type"] })}
        />
      </Table.Td>
      <Table.Td>
        <Checkbox
          aria-label={`Allow empty cells in ${named}`}
          checked={nullable}
          onChange={(event) => onChange(index, { nullable: event.currentTarget.checked })}
        />
      </Table.Td>
      <Table.Td>
        <Checkbox
          aria-label={`Hash ${named} in the enclave, before computations see it`}
          checked={hashed}
          onChange={(event) => onChange(index, { hashed: event.currentTarget.checked })}
        />
      </Table.Td>
      <Table.Td>
        {isNumber(type) && (
          <RangeOf named={named} range={column.range ?? {}} onRange={(range) => onChange(index, { range })} />
        )}
      </Table.Td>
      <Table.Td className={styles["number"]}>
        <Group gap={2} wrap="nowrap">
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={`Move ${named} up`}
            disabled={index === 0}
            onClick={() => move(index - 1)}
          >
            <IconArrowUp size={16} />
          </ActionIcon>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={`Move ${named} down`}
            disabled={index === last}
            onClick={() => move(index + 1)}
          >
            <IconArrowDown size={16} />
          </ActionIcon>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={`Remove ${named}`}
            disabled={last === 0}
            onClick={() => onRemove(index)}
          >
            <IconTrash size={16} />
          </ActionIcon>
        </Group>
      </Table.Td>
    </Table.Tr>
  );
});
