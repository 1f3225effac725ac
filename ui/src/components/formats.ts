/** The formats of columns, for people. */

import type { Column } from "../core/records";

export const FORMATS: Readonly<Record<Column["type"], { label: string; example: string }>> = {
  STRING: { label: "Text", example: "any text" },
  INTEGER: { label: "Whole number", example: "42" },
  FLOAT: { label: "Number", example: "4.2 or 1e3" },
  DATE_ISO8601: { label: "Date", example: "2024-12-31" },
  EMAIL: { label: "E-mail address", example: "ann@example.com" },
  PHONE_NUMBER_E164: { label: "Phone number", example: "+41791234567" },
  HASH_SHA256_HEX: { label: "SHA-256", example: "64 hexadecimal digits" },
};
