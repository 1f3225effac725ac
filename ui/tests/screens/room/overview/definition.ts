import type { Definition, Limits, RoomStatus } from "../../../../src/core/records";

const limits: Limits = {
  memory_bytes: 1,
  pids: 1,
  cpus: 1,
  wall_seconds: 1,
  output_bytes: 1,
  output_files: 1,
  scratch_bytes: 1,
  log_bytes: 1,
};
const made = { image: "python", limits, logs_on_error: false, logs_on_success: false };

export const [ANN, BOB] = ["ann@example.com", "bob@example.com"];
export const [DIGEST, OTHER_DIGEST] = ["aa".repeat(32), "bb".repeat(32)];
export const ROOM = "cc".repeat(32);

/** Ann's table and Bob's file, of which the latter is optional; and what Bob may run over them. */
export const definition: Definition = {
  version: 1,
  nonce: "",
  title: "room",
  description: "",
  owner: ANN,
  participants: [
    { user: ANN, data_owner_of: ["t"], analyst_of: [], keys: [] },
    { user: BOB, data_owner_of: ["f", "p"], analyst_of: ["q", "s", "both"], keys: [] },
  ],
  nodes: [
    {
      kind: "table_data",
      id: "t",
      name: "table",
      required: true,
      columns: [],
      drop_invalid_rows: false,
      unique: [],
      image: "python",
      limits,
    },
    { kind: "raw_data", id: "f", name: "file", required: false },
    { kind: "raw_data", id: "p", name: "pictures", required: true },
    { kind: "sql", id: "q", name: "query", statement: "", dependencies: ["t"], image: "python", limits },
    {
      kind: "synthetic",
      id: "s",
      name: "synthetic",
      columns: [],
      dependency: "t",
      epsilon: 1,
      statistics: false,
      ...made,
    },
    { kind: "python", id: "both", name: "both", script: "", files: [], dependencies: ["s", "f", "p"], ...made },
  ],
  issuers: [],
  pins_required: false,
  enclaves: [],
  workers: [],
  images: [{ name: "python", measurement: DIGEST }],
  privacy_budget: 2.5,
};

export function status(attached: string[], more: Partial<RoomStatus> = {}): RoomStatus {
  return {
    type: "room_status",
    stopped: false,
    attached: attached.map((node) => ({ node, manifest: DIGEST })),
    keys: [],
    ...more,
  };
}
