/** Python and R: the main script, static files beside it, and what goes with a script. */

import { ActionIcon, Button, FileButton, Group, NativeSelect, Stack, Tabs, Text, TextInput } from "@mantine/core";
import { IconPencil, IconPlus, IconTrash, IconUpload } from "@tabler/icons-react";
import { type FormEvent, type Ref, useState } from "react";

import { confirmed } from "../../../components/confirm";
import { Dialog } from "../../../components/Dialog";
import { Editor, type EditorHandle } from "../../../components/editor/Editor";
import { languageOf } from "../../../components/editor/languages";
import type { TextFile } from "../../../core/records";
import { useDraft } from "../../../drafts/useDraft";
import { fileProblem } from "./names";
import { Advanced, LogSettings } from "./Settings";
import type { FormProps } from "./useNode";

/** Bytes of a static file that is taken from this computer. Larger things are data. */
const MOST_BYTES = 1024 * 1024;
const HEIGHT = "max(320px, calc(100dvh - 470px))";

type Props = FormProps<"python" | "r"> & {
  /** What can be opened. */
  paths: readonly string[];
  editor: Ref<EditorHandle>;
};

export function ScriptForm({ node, change, paths, editor }: Props) {
  const { id } = useDraft();
  // The name of a file, or the main script.
  const [chosen, setChosen] = useState<string | null>(null);
  const [asking, setAsking] = useState<"add" | "rename" | null>(null);
  const at = node.files.findIndex((file) => file.name === chosen);
  const file = node.files[at];
  const setFiles = (files: (now: TextFile[]) => TextFile[]): void => change((now) => ({ files: files(now.files) }));
  const put = (changed: TextFile): void =>
    setFiles((now) => now.map((each) => (each.name === file?.name ? changed : each)));
  const remove = async (): Promise<void> => {
    const question = { title: `Remove ${file?.name}?`, words: "The file's text is lost.", action: "Remove" };
    if (await confirmed(question)) {
      setFiles((now) => now.filter((each) => each.name !== file?.name));
      setChosen(null);
    }
  };
  const named = (name: string, content: string): void => {
    if (asking === "add") {
      setFiles((now) => [...now, { name, content }]);
    } else {
      put({ name, content: file?.content ?? "" });
    }
    setChosen(name);
    setAsking(null);
  };
  return (
    <Stack>
      <Tabs
        value={tab(at)}
        onChange={(value) => setChosen(node.files.find((_, place) => tab(place) === value)?.name ?? null)}
      >
        <Group gap={4} wrap="nowrap" align="center">
          <Tabs.List>
            <Tabs.Tab value={tab(-1)}>Main script</Tabs.Tab>
            {node.files.map((each, place) => (
              <Tabs.Tab key={each.name} value={tab(place)}>
                {each.name}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <ActionIcon variant="subtle" aria-label="Add a static file" onClick={() => setAsking("add")}>
            <IconPlus size={18} />
          </ActionIcon>
        </Group>
        <Tabs.Panel value={tab(at)} pt="xs">
          {file !== undefined && (
            <Group justify="space-between" mb="xs">
              <Text size="sm" c="dimmed">
                Scripts find it at /input/code/{file.name}. Everybody in the room can read it.
              </Text>
              <Group gap={4}>
                <ActionIcon variant="subtle" aria-label={`Rename ${file.name}`} onClick={() => setAsking("rename")}>
                  <IconPencil size={18} />
                </ActionIcon>
                <ActionIcon
                  variant="subtle"
                  color="red"
                  aria-label={`Remove ${file.name}`}
                  onClick={() => void remove()}
                >
                  <IconTrash size={18} />
                </ActionIcon>
              </Group>
            </Group>
          )}
          <Editor
            ref={editor}
            name={`${id}/${node.id}/${file === undefined ? "" : `files/${file.name}`}`}
            label={file === undefined ? "Main script" : file.name}
            language={file === undefined ? node.kind : languageOf(file.name)}
            value={file === undefined ? node.script : file.content}
            onChange={(text) => (file === undefined ? change({ script: text }) : put({ ...file, content: text }))}
            placeholder={file === undefined ? "Write or paste a script. It reads /input and writes /output." : ""}
            paths={paths}
            height={HEIGHT}
          />
        </Tabs.Panel>
      </Tabs>
      {node.kind === "python" && <Environment node={node} change={change} />}
      <LogSettings node={node} change={change} />
      <Advanced image={node.image} limits={node.limits} change={change} />
      {asking !== null && (
        <FileName
          others={node.files.filter((each) => asking === "add" || each !== file)}
          before={asking === "rename" ? file : undefined}
          onNamed={named}
          onClose={() => setAsking(null)}
        />
      )}
    </Stack>
  );
}

/** What a tab is called: not by the file's name, which may have spaces, as ids of elements have none. */
function tab(at: number): string {
  return at < 0 ? "main" : `file-${at}`;
}

function Environment({ node, change }: FormProps<"python" | "r">) {
  const { configuration } = useDraft();
  const environments = configuration.nodes.filter((each) => each.kind === "python_environment");
  const value = node.kind === "python" ? (node.environment ?? "") : "";
  return (
    <NativeSelect
      label="Python environment"
      description="Packages beside those of the image. Add a computation of that kind first."
      maw={380}
      value={value}
      data={[{ value: "", label: "None" }, ...environments.map((each) => ({ value: each.id, label: each.name }))]}
      onChange={(event) => change({ environment: event.currentTarget.value || undefined })}
    />
  );
}

interface FileNameProps {
  others: readonly TextFile[];
  before: TextFile | undefined;
  onNamed: (name: string, content: string) => void;
  onClose: () => void;
}

function FileName({ others, before, onNamed, onClose }: FileNameProps) {
  const [name, setName] = useState(before?.name ?? "");
  const [content, setContent] = useState("");
  const [refused, setRefused] = useState("");
  const problem = name === "" ? undefined : fileProblem(others, name);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (name !== "" && problem === undefined) {
      onNamed(name, content);
    }
  };
  const take = async (file: File | null): Promise<void> => {
    if (file === null) {
      return;
    }
    setRefused("");
    try {
      if (file.size > MOST_BYTES) {
        throw new RangeError();
      }
      setContent(new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer()));
      setName(file.name);
    } catch {
      setRefused(`${file.name} is no text in UTF-8 of 1 MiB at most. Attach what is larger as data.`);
    }
  };
  return (
    <Dialog onClose={onClose} title={before === undefined ? "Add a static file" : `Rename ${before.name}`}>
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            label="Name"
            description="As in bands.csv or lib/helpers.py. Scripts find it below /input/code."
            value={name}
            error={problem}
            onChange={(event) => setName(event.currentTarget.value)}
            data-autofocus
          />
          {before === undefined && (
            <Group>
              <FileButton onChange={(file) => void take(file)}>
                {(props) => (
                  <Button {...props} variant="default" size="xs" leftSection={<IconUpload size={14} aria-hidden />}>
                    Take a text file from this computer
                  </Button>
                )}
              </FileButton>
              <Text size="sm" role="status">
                {content === "" ? "" : `${content.length} characters are taken.`}
              </Text>
            </Group>
          )}
          {refused !== "" && (
            <Text size="sm" c="red" role="alert">
              {refused}
            </Text>
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" disabled={name === "" || problem !== undefined}>
              {before === undefined ? "Add" : "Rename"}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
