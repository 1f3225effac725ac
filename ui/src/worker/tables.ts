/** A thread of its own that reads and checks tables, so that the page stays quick. Started by `startTableChecker`. */

import { serveChecks } from "./checkTables";
import type { Port } from "./messages";

serveChecks(self as unknown as Port);
