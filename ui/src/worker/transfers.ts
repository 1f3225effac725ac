/** A thread of its own that encrypts, decrypts and moves data, so that the page stays quick. Started by `startMover`. */

import type { Port } from "../client/messages";
import { IndexedDbStore } from "../client/store";
import { serve } from "./serve";

serve(self as unknown as Port, IndexedDbStore.open());
