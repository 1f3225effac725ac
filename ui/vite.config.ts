import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

import { frames } from "./scripts/frames.mjs";

/** For `npm run dev`: the hub that the pages speak to. */
const hub = process.env["CLOISTER_HUB"] ?? "http://127.0.0.1:8642";

export default defineConfig({
  plugins: [react(), frames()],
  server: { proxy: Object.fromEntries(["/v1", "/auth", "/.well-known"].map((path) => [path, hub])) },
  build: { target: "es2023" },
  worker: { format: "es" },
  // What is built for Node, for tests, holds all that it needs.
  ssr: { noExternal: true },
  test: {
    include: ["tests/**/*.test.ts"],
    // Two threads are all that the tests need.
    maxWorkers: 2,
    // Others keep the machine busy: how long one test takes says nothing.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
