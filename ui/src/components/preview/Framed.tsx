/**
 * A picture or a PDF in a frame of its own, which has no access to anything: it is given the bytes, and can reach
 * neither this page nor any server.
 */

import { ActionIcon, Alert, Group, Loader, Stack, Text, VisuallyHidden } from "@mantine/core";
import { IconChevronLeft, IconChevronRight, IconZoomIn, IconZoomOut } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";

import type { Said, Shown, Wish } from "../../preview/messages";
import styles from "./Preview.module.css";

/** Milliseconds until a file that isn't shown yet is given up. */
const PATIENCE = 30_000;
/** What a PDF may take for granted: letters of languages, and fonts. */
const FILES = /^(cmaps|standard_fonts)\/[\w-]+\.(bcmap|pfb|ttf)$/;

type State = "waiting" | "shown" | "failed";

export function Framed({
  frame,
  label,
  type,
  content,
}: {
  frame: "picture" | "pdf";
  label: string;
  type: string;
  content: ArrayBuffer;
}) {
  const [state, setState] = useState<State>("waiting");
  const [pages, setPages] = useState(1);
  const [page, setPage] = useState(1);
  const [zoom, setZoom] = useState(1);
  const [text, setText] = useState("");
  const port = useRef<MessagePort | null>(null);

  // A frame that has something else to show is another frame.
  useEffect(() => () => port.current?.close(), []);
  useEffect(() => {
    const timer = setTimeout(() => setState((now) => (now === "waiting" ? "failed" : now)), PATIENCE);
    return () => clearTimeout(timer);
  }, []);

  const begin = (element: HTMLIFrameElement): void => {
    port.current?.close();
    const channel = new MessageChannel();
    port.current = channel.port1;
    channel.port1.onmessage = ({ data }: MessageEvent<Said>) => {
      if ("shown" in data) {
        setPages(whole(data.pages));
        setState("shown");
      } else if ("drawn" in data) {
        setText(String(data.text));
      } else if ("wants" in data) {
        void fetched(String(data.wants)).then((found) =>
          channel.port1.postMessage({ file: String(data.wants), content: found } satisfies Wish),
        );
      } else {
        setState("failed");
      }
    };
    // A copy: whoever looks at the file again needs it again. The frame has no origin that could be named.
    const shown: Shown = { label, type, content: content.slice(0) };
    element.contentWindow?.postMessage(shown, "*", [channel.port2, shown.content]);
  };
  const wish = (wanted: number, larger: number): void => {
    setPage(wanted);
    setZoom(larger);
    port.current?.postMessage({ draw: wanted, zoom: larger } satisfies Wish);
  };

  if (state === "failed") {
    return (
      <Alert color="gray" title="This file can't be shown">
        It is damaged, or takes too long. Download it to open it elsewhere.
      </Alert>
    );
  }
  return (
    <Stack gap="xs">
      {frame === "pdf" && state === "shown" && (
        <Group gap="xs">
          <ActionIcon
            variant="default"
            aria-label="Page before"
            disabled={page === 1}
            onClick={() => wish(page - 1, zoom)}
          >
            <IconChevronLeft size={16} />
          </ActionIcon>
          <Text size="sm" role="status">
            Page {page} of {pages}
          </Text>
          <ActionIcon
            variant="default"
            aria-label="Next page"
            disabled={page === pages}
            onClick={() => wish(page + 1, zoom)}
          >
            <IconChevronRight size={16} />
          </ActionIcon>
          <ActionIcon
            variant="default"
            aria-label="Smaller"
            disabled={zoom <= 0.5}
            onClick={() => wish(page, zoom / 1.25)}
          >
            <IconZoomOut size={16} />
          </ActionIcon>
          <ActionIcon
            variant="default"
            aria-label="Larger"
            disabled={zoom >= 4}
            onClick={() => wish(page, zoom * 1.25)}
          >
            <IconZoomIn size={16} />
          </ActionIcon>
        </Group>
      )}
      {state === "waiting" && (
        <Group gap="xs">
          <Loader size="sm" aria-hidden />
          <Text size="sm" role="status">
            Opening {label} …
          </Text>
        </Group>
      )}
      <iframe
        title={`Preview of ${label}`}
        src={`/preview/${frame}.html`}
        sandbox="allow-scripts"
        referrerPolicy="no-referrer"
        className={styles["frame"]}
        onLoad={(event) => begin(event.currentTarget)}
      />
      <VisuallyHidden>{text}</VisuallyHidden>
    </Stack>
  );
}

/** A file of this installation that a PDF needs; null where there is none. */
async function fetched(file: string): Promise<ArrayBuffer | null> {
  if (!FILES.test(file)) {
    return null;
  }
  const answer = await fetch(`/preview/${file}`, { credentials: "same-origin", redirect: "error" });
  return answer.ok ? await answer.arrayBuffer() : null;
}

/** A number of pages, whatever was said. */
function whole(pages: unknown): number {
  return typeof pages === "number" && Number.isSafeInteger(pages) && pages > 0 ? pages : 1;
}
