/** A field in which one types what one looks for in what stands below. */

import { TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";

import styles from "./Search.module.css";

/** @param label For people who can't see where it stands. */
export function Search({
  label,
  placeholder = "Search",
  value,
  onChange,
}: {
  label: string;
  placeholder?: string;
  value: string;
  onChange: (value: string) => void;
}) {
  return (
    <TextInput
      className={styles["search"] ?? ""}
      type="search"
      aria-label={label}
      placeholder={placeholder}
      leftSection={<IconSearch size={16} aria-hidden />}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}
