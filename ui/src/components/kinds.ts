/** The kinds of nodes, for people: what they are called, and the picture and colour that go with that. */

import {
  IconBrandPython,
  IconChartDots3,
  IconDatabaseSearch,
  IconEye,
  IconFile,
  IconLetterR,
  IconPackage,
  IconSql,
  IconTable,
  IconTopologyStar3,
  type TablerIcon,
} from "@tabler/icons-react";

import type { Node } from "../core/records";

export interface Kind {
  label: string;
  icon: TablerIcon;
  /** A colour of Mantine's. Never alone: the icon and the label say the same. */
  color: string;
}

export const KINDS: Readonly<Record<Node["kind"], Kind>> = {
  table_data: { label: "Table", icon: IconTable, color: "blue" },
  raw_data: { label: "File", icon: IconFile, color: "blue" },
  python: { label: "Python", icon: IconBrandPython, color: "green" },
  r: { label: "R", icon: IconLetterR, color: "green" },
  sql: { label: "SQL", icon: IconSql, color: "grape" },
  sqlite: { label: "SQLite", icon: IconDatabaseSearch, color: "grape" },
  synthetic: { label: "Synthetic data", icon: IconChartDots3, color: "teal" },
  match: { label: "Matching", icon: IconTopologyStar3, color: "teal" },
  preview: { label: "Preview", icon: IconEye, color: "orange" },
  python_environment: { label: "Python environment", icon: IconPackage, color: "gray" },
};
