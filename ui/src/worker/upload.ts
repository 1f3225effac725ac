/** A thread of its own that encrypts and uploads, so that the page stays quick. Started by `startUploader`. */

import { IndexedDbStore } from "../client/store";
import type { Port } from "./messages";
import { serve } from "./serve";

serve(self as unknown as Port, IndexedDbStore.open());
