/** The first rows of a file, as text. */

import type { Start } from "../../../tables/infer";
import { shownCell } from "./cells";
import styles from "./Wizard.module.css";

const [ROWS, COLUMNS] = [8, 50];

export function FirstRows({ start }: { start: Start }) {
  const { header, records, rows, width } = start;
  const columns = Array.from({ length: Math.min(width, COLUMNS) }, (_, place) => place);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard.
    <section className={styles["rows"]} tabIndex={0} aria-label="The first rows">
      <table>
        <thead>
          <tr>
            <th scope="col">Row</th>
            {columns.map((place) => (
              <th key={place} scope="col">
                {header === null ? `Column ${place + 1}` : shownCell(header[place] ?? "")}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {records.slice(0, ROWS).map((record, index) => (
            <tr key={rows[index]}>
              <td>{rows[index]}</td>
              {columns.map((place) => (
                <td key={place}>{shownCell(record[place] ?? "")}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {width > COLUMNS && <p>{width - COLUMNS} more columns are not shown here.</p>}
    </section>
  );
}
