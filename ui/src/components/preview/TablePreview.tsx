/** The beginning of a file as a table: rows are made when they are scrolled to. */

import { Checkbox, Stack, Text } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef, useState } from "react";

import styles from "./Preview.module.css";
import type { Cells } from "./table";

const ROW = 29;

/** @param names Of the columns; null where the file may have them itself. */
export function TablePreview({ label, cells, names }: { label: string; cells: Cells; names: string[] | null }) {
  const [header, setHeader] = useState(true);
  const within = useRef<HTMLElement>(null);
  const inside = names === null && header;
  const rows = inside ? cells.rows.slice(1) : cells.rows;
  const titles = names ?? (inside ? (cells.rows[0] ?? []) : []);
  const columns = Array.from({ length: Math.max(cells.width, names?.length ?? 0) }, (_, at) => at);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => within.current,
    estimateSize: () => ROW,
    overscan: 20,
  });
  const items = virtual.getVirtualItems();
  const above = items[0]?.start ?? 0;
  const below = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    <Stack gap="xs">
      {names === null && (
        <Checkbox
          size="xs"
          label="The first line names the columns"
          checked={header}
          onChange={(event) => setHeader(event.currentTarget.checked)}
        />
      )}
      <Text size="sm" c="dimmed" role="note">
        {cells.cut.length > 0
          ? `${cells.cut.join(" ")} Download the file for all of it.`
          : `${rows.length.toLocaleString("en")} rows.`}
      </Text>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard. */}
      <section ref={within} className={styles["table"]} tabIndex={0} aria-label={`Content of ${label}`}>
        <table aria-rowcount={rows.length + 1}>
          <thead>
            <tr>
              <th scope="col" className={styles["number"]}>
                Row
              </th>
              {columns.map((at) => (
                <th key={at} scope="col">
                  {titles[at] || `V${at + 1}`}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {above > 0 && (
              <tr aria-hidden style={{ height: above }}>
                <td />
              </tr>
            )}
            {items.map(({ index }) => (
              <tr key={index} aria-rowindex={index + 2}>
                <td className={styles["number"]}>{index + 1}</td>
                {columns.map((at) => (
                  <td key={at}>{rows[index]?.[at]}</td>
                ))}
              </tr>
            ))}
            {below > 0 && (
              <tr aria-hidden style={{ height: below }}>
                <td />
              </tr>
            )}
          </tbody>
        </table>
      </section>
    </Stack>
  );
}
