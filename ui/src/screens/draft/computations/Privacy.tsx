/** What a computation costs in privacy, and what the room allows. */

import { NumberInput, Stack, Text } from "@mantine/core";

import { useDraft } from "../../../drafts/useDraft";
import { costs } from "./privacy";
import type { FormProps } from "./useNode";

const LEAST = 1e-6;
const MOST = 1000;

export function Privacy({ node, change, about }: FormProps<"synthetic" | "match"> & { about: string }) {
  const { configuration, edit } = useDraft();
  const budget = configuration.privacy_budget;
  const setBudget = (value: number | string): void =>
    edit((before) => {
      const { privacy_budget: _before, ...plain } = before;
      return typeof value === "number" && value > 0 ? { ...plain, privacy_budget: value } : plain;
    });
  return (
    <Stack gap="xs">
      <NumberInput
        label="Epsilon of a run"
        description={about}
        maw={420}
        min={LEAST}
        max={MOST}
        step={0.1}
        decimalScale={6}
        allowNegative={false}
        value={node.epsilon}
        onChange={(value) => typeof value === "number" && value > 0 && change({ epsilon: value })}
      />
      <NumberInput
        label="The room's privacy budget"
        description={
          "The most that all runs together may cost each data node: then runs are refused. Asking the same question " +
          "again costs nothing. Empty: costs are counted, and not bounded."
        }
        maw={420}
        min={LEAST}
        max={MOST}
        step={0.5}
        decimalScale={6}
        allowNegative={false}
        placeholder="No bound"
        value={budget ?? ""}
        onChange={setBudget}
      />
      {costs(configuration, node.id).map(({ id, name, epsilon }) => (
        <Text key={id} size="sm" c={budget !== undefined && epsilon > budget ? "red" : "dimmed"}>
          If everything is run once, {name} loses {epsilon}
          {budget === undefined ? "" : ` of ${budget}`}.
        </Text>
      ))}
    </Stack>
  );
}
