/** Handing a file to the user: by the browser's own download, under a name that is one. */

/** A name for a file: of what somebody else has called something, what no file system and no reader stumbles over. */
export function fileName(wanted: string): string {
  const plain = wanted
    .replace(/[\p{C}\p{Z}]+/gu, " ")
    .replace(/[\\/:*?"<>|]/g, "_")
    .replace(/^[ .]+|[ .]+$/g, "");
  return [...plain].slice(0, 150).join("") || "download";
}

/** Has the browser save it. */
export function download(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = fileName(name);
  link.click();
  // The browser has taken it by the next turn.
  setTimeout(() => URL.revokeObjectURL(url));
}
