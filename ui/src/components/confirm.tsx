/** Asking before something is done that can't be undone. */

import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { useState, useSyncExternalStore } from "react";

import { Dialog } from "./Dialog";

export interface Question {
  title: string;
  /** What happens, and who will notice. */
  words: string;
  /** What the button says. */
  action: string;
  /** What has to be typed first, for what is worst. */
  typed?: string;
}

interface Asked extends Question {
  answer: (sure: boolean) => void;
}

let asked: Asked | null = null;
const listeners = new Set<() => void>();

function show(question: Asked | null): void {
  asked = question;
  for (const listener of listeners) {
    listener();
  }
}

/** Asks, and waits for the answer. A question that is still open is answered by no. */
export function confirmed(question: Question): Promise<boolean> {
  asked?.answer(false);
  return new Promise((resolve) => {
    show({
      ...question,
      answer: (sure) => {
        show(null);
        resolve(sure);
      },
    });
  });
}

/** Where questions appear: once, around all pages. */
export function Confirmations() {
  const question = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => asked,
  );
  return question === null ? null : <Asking key={question.title} question={question} />;
}

function Asking({ question }: { question: Asked }) {
  const [typed, setTyped] = useState("");
  return (
    <Dialog onClose={() => question.answer(false)} title={question.title} centered>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          question.answer(true);
        }}
      >
        <Stack>
          <Text size="sm">{question.words}</Text>
          {question.typed !== undefined && (
            <TextInput
              label={`Type ${question.typed} to go on`}
              value={typed}
              onChange={(event) => setTyped(event.currentTarget.value)}
              autoComplete="off"
            />
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={() => question.answer(false)} data-autofocus>
              Cancel
            </Button>
            <Button type="submit" color="red" disabled={question.typed !== undefined && typed !== question.typed}>
              {question.action}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
