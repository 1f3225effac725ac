/** A result: that it is genuine, its files, and what is in them. */

import { Button, Group, NavLink, Progress, Stack, Text } from "@mantine/core";
import { IconDownload, IconFile } from "@tabler/icons-react";
import { useState } from "react";

import { Archive, type ArchiveFile } from "../../../../client/archive";
import type { TransferProgress } from "../../../../client/progress";
import type { Room } from "../../../../client/room";
import { Dialog } from "../../../../components/Dialog";
import { download } from "../../../../components/download";
import { bytes, duration } from "../../../../components/format";
import { Problem } from "../../../../components/Problem";
import { FileDownload, Preview } from "../../../../components/preview/Preview";
import { AuthorizationError, BadRequestError, NotFoundError } from "../../../../core/errors";
import type { RunNode } from "../../../../core/nodes";
import { Verified } from "../receipt/Verified";
import styles from "./Result.module.css";
import { TableDownload } from "./TableDownload";
import { type OpenedResult, useResult } from "./useResult";
import { ValidationReport } from "./ValidationReport";

export function ResultDialog({
  room,
  node,
  job,
  onClose,
  onRunAgain,
}: {
  room: Room;
  node: RunNode;
  job: string;
  onClose: () => void;
  onRunAgain: () => void;
}) {
  const { query, progress, again } = useResult(room, node.id, job);
  const title = node.kind === "table_data" ? `Validation of ${node.name}` : `Result of ${node.name}`;
  return (
    <Dialog onClose={onClose} title={title} size="90%">
      <Stack>
        {query.error !== null ? (
          <>
            <Problem error={inWords(query.error)} onRetry={() => void query.refetch()} />
            {(query.error instanceof NotFoundError || query.error instanceof BadRequestError) && (
              <Group>
                <Button onClick={onRunAgain}>Run it again</Button>
              </Group>
            )}
          </>
        ) : query.data === undefined ? (
          <Fetching progress={progress} again={again} />
        ) : (
          <Opened room={room} node={node} job={job} result={query.data} />
        )}
      </Stack>
    </Dialog>
  );
}

/** The enclave speaks of an option of the SDK there. */
function inWords(error: Error): Error {
  return error instanceof AuthorizationError && error.message.startsWith("The dataset was not attached for this device")
    ? new AuthorizationError(
        "Whoever has attached this data had not looked at this device's key yet, so it doesn't get what was found in " +
          "it. Use the device that has attached it; or replace the data from here.",
      )
    : error;
}

function Fetching({ progress, again }: { progress: TransferProgress | null; again: boolean }) {
  const part = progress === null || progress.total === 0 ? 0 : (100 * progress.done) / progress.total;
  const left = progress?.secondsLeft == null ? "" : `, ${duration(progress.secondsLeft)} left`;
  return (
    <Stack gap="xs">
      <Progress value={part} aria-label="Fetched and decrypted" />
      <Text size="sm" role="status">
        {progress === null
          ? again
            ? "The hub has lost this result: it is computed once more …"
            : "Fetching the result, and checking its receipt …"
          : `Fetching and decrypting: ${bytes(progress.done)} of ${bytes(progress.total)}${left}`}
      </Text>
    </Stack>
  );
}

function Opened({ room, node, job, result }: { room: Room; node: RunNode; job: string; result: OpenedResult }) {
  const { fetched, archive } = result;
  return (
    <>
      <Verified
        definition={room.definition}
        name={node.name}
        what={node.kind === "table_data" ? `the validation of ${node.name}` : node.name}
        receipt={fetched.receipt}
        body={fetched.body}
      />
      <Group>
        <Button
          leftSection={<IconDownload size={16} aria-hidden />}
          onClick={() => download(fetched.content, `${node.name}.zip`)}
        >
          Download {node.name}.zip ({bytes(fetched.content.size)})
        </Button>
        {archive instanceof Archive && <TableDownload archive={archive} name={node.name} />}
      </Group>
      {archive instanceof Archive ? (
        <Files archive={archive} node={node} id={`${room.id}/${node.id}/${job}`} />
      ) : (
        <Problem error={archive} />
      )}
    </>
  );
}

/** Files that are listed; more are in the zip all the same. */
const LISTED = 500;

function Files({ archive, node, id }: { archive: Archive; node: RunNode; id: string }) {
  const listed = archive.files.slice(0, LISTED);
  const [chosen, choose] = useState<ArchiveFile | undefined>(() => firstOf(listed));
  return (
    <>
      {node.kind === "table_data" && <ValidationReport archive={archive} node={node} id={id} />}
      {chosen === undefined ? (
        <Text>The result has no files.</Text>
      ) : (
        <div className={styles["files"]}>
          <nav aria-label="Files of the result" className={styles["list"]}>
            {listed.map((file) => (
              <NavLink
                key={file.name}
                component="button"
                label={file.label}
                leftSection={<IconFile size={16} aria-hidden />}
                rightSection={
                  <Text size="xs" c="inherit">
                    {bytes(file.size)}
                  </Text>
                }
                active={file === chosen}
                aria-current={file === chosen}
                onClick={() => choose(file)}
              />
            ))}
            {archive.files.length > LISTED && (
              <Text size="sm" c="dimmed">
                {archive.files.length - LISTED} more files are in the zip.
              </Text>
            )}
          </nav>
          <Stack gap="xs" className={styles["file"]}>
            <Group justify="space-between">
              <Text fw={600} className={styles["name"]}>
                {chosen.label}
              </Text>
              <FileDownload key={chosen.name} archive={archive} file={chosen} />
            </Group>
            <Preview key={chosen.name} archive={archive} file={chosen} id={id} />
          </Stack>
        </div>
      )}
    </>
  );
}

/** What people look for first: a table, or a report. */
function firstOf(files: readonly ArchiveFile[]): ArchiveFile | undefined {
  return files.find((file) => file.name === "dataset.csv") ?? files[0];
}
