/** The test of the draft that is open: how it stands, and how to begin and end it. */

import { useSyncExternalStore } from "react";

import { useClient } from "../../../app/session";
import type { Client } from "../../../client/client";
import type { Uploaded } from "../../../client/datasets";
import type { TestData } from "../../../client/testing";
import { NotFoundError } from "../../../core/errors";
import { isDataNode } from "../../../core/nodes";
import type { Draft } from "../../../drafts/draft";
import { useDraft } from "../../../drafts/useDraft";
import { type Shown, testOf } from "./draftTest";

export interface UsedTest extends Shown {
  /** Begins it; what is on its way is told of by `shown`. */
  start: () => void;
  cancel: () => void;
}

export function useTest(): UsedTest {
  const client = useClient();
  const { id, draft } = useDraft();
  const test = testOf(id);
  const shown = useSyncExternalStore(test.subscribe, test.shown);
  const start = (): void => {
    // Whoever leaves is asked: the room of the test would stay, until it is stopped.
    const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
    addEventListener("beforeunload", ask);
    void test
      .start(
        draft.configuration,
        () => testData(client, draft, test.uploaded),
        (configuration, options) => client.test(configuration, options),
      )
      .finally(() => removeEventListener("beforeunload", ask));
  };
  return { ...shown, start, cancel: () => test.cancel() };
}

/** @throws NotFoundError A dataset can't be used; the message says of which node, and why. */
async function testData(
  client: Client,
  { configuration, tests }: Draft,
  uploaded: ReadonlyMap<string, Uploaded>,
): Promise<ReadonlyMap<string, TestData>> {
  const data = new Map<string, TestData>();
  for (const node of configuration.nodes.filter(isDataNode)) {
    const id = Object.hasOwn(tests, node.id) ? tests[node.id] : undefined;
    if (id !== undefined) {
      data.set(node.id, uploaded.get(id) ?? (await client.datasets.get(id).catch(unusable(node.name))));
    }
  }
  return data;
}

function unusable(name: string): (error: unknown) => never {
  return (error) => {
    throw error instanceof NotFoundError
      ? new NotFoundError(`${name} can't be tested with what you have chosen. ${error.message}`)
      : error;
  };
}
