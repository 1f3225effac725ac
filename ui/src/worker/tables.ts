/** A thread of its own that reads and checks tables, so that the page stays quick. Started by `startTableChecker`. */

import type { Port } from "../client/messages";
import { serveChecks } from "./checkTables";

serveChecks(self as unknown as Port);
