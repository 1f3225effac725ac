/** What a checked receipt says, in plain words, for somebody who has to rely on it. Pure. */

import { moment } from "../../../../components/format";
import { nodeOf } from "../../../../core/nodes";
import type { Definition, ReceiptBody } from "../../../../core/records";
import * as software from "../../../../core/software";

/** One thing that was checked. */
export interface Checked {
  what: string;
  /** Digests and the like, with what they are. */
  values: { name: string; value: string }[];
  /** Whether it proves nothing: whoever ran the machine could have had any result. */
  unproven: boolean;
}

/** All that a receipt vouches for, after it was checked against the room, its enclave and its log. */
export function explained(body: ReceiptBody, definition: Definition): Checked[] {
  const name = (id: string): string => nodeOf(definition, id)?.name ?? id;
  const read = body.inputs.filter((input) => input.manifest !== null);
  const absent = body.inputs.filter((input) => input.manifest === null);
  const unproven = [body.enclave, body.worker].some(({ evidence }) => evidence === software.TYPE);
  return [
    {
      what: `It was computed in the room “${definition.title}”, by its computation ${name(body.node)}, exactly as everybody agreed to it.`,
      values: [
        { name: "room", value: body.room },
        { name: "definition of the computation", value: body.definition },
        { name: "run", value: body.run },
      ],
      unproven: false,
    },
    {
      what: `It ran in the image ${body.image}, the one that the room names.`,
      values: [{ name: "measurement of the image", value: body.image_measurement }],
      unproven: false,
    },
    {
      what: inputs(
        read.map((input) => name(input.node)),
        absent.map((input) => name(input.node)),
      ),
      values: read.map((input) => ({ name: `digest of ${name(input.node)}`, value: input.manifest ?? "" })),
      unproven: false,
    },
    {
      what: unproven
        ? "The enclave and the worker ran as plain software. Nothing proves what ran there: whoever runs the server could have read the data and made any result."
        : `An enclave of the type ${body.enclave.evidence} and a worker of the type ${body.worker.evidence}, as the room names them, have computed and signed it.`,
      values: [
        { name: `measurement of the enclave (${body.enclave.evidence})`, value: body.enclave.measurement },
        { name: `measurement of the worker (${body.worker.evidence})`, value: body.worker.measurement },
      ],
      unproven,
    },
    {
      what: `The room's audit log tells of it at index ${body.log_index}, ${moment(body.finished)}; the log that is there now goes on from that.`,
      values: [],
      unproven: false,
    },
  ];
}

function inputs(read: readonly string[], absent: readonly string[]): string {
  const from = read.length === 0 ? "It was computed without any data" : `It was computed from ${read.join(", ")}`;
  return `${from}${absent.length === 0 ? "" : `; ${absent.join(", ")} had no data`}.`;
}
