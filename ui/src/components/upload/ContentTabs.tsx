/** Where the data of a node comes from: a file, by the wizard, or a dataset that was uploaded before. */

import { Tabs } from "@mantine/core";

import { DatasetChoice } from "./DatasetChoice";
import { UploadWizard, type WizardProps } from "./UploadWizard";

/** @param choose What the button of a dataset says. */
export function ContentTabs({
  choose,
  onDataset,
  ...wizard
}: WizardProps & { choose: string; onDataset: (id: string) => void }) {
  return (
    <Tabs defaultValue="file" keepMounted={false}>
      <Tabs.List>
        <Tabs.Tab value="file">Upload a file</Tabs.Tab>
        <Tabs.Tab value="dataset">Use a dataset</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="file" pt="md">
        <UploadWizard {...wizard} />
      </Tabs.Panel>
      <Tabs.Panel value="dataset" pt="md">
        <DatasetChoice action={choose} onChosen={onDataset} />
      </Tabs.Panel>
    </Tabs>
  );
}
