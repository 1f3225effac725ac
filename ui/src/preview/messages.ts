/** What a page and the frame that shows a file for it say to each other. */

/** To the frame, first and once, with one end of a channel beside it. */
export interface Shown {
  /** What it is called for people who can't see it. */
  label: string;
  /** Of a picture; of a PDF it says nothing. */
  type: string;
  content: ArrayBuffer;
}

/** To the frame, by the channel: of PDFs alone. */
export type Wish =
  | { draw: number; zoom: number }
  /** A file that was asked for; null where there is none. */
  | { file: string; content: ArrayBuffer | null };

/** From the frame, by the channel. */
export type Said =
  /** It is shown; of a PDF the first page is, of so many. */
  | { shown: true; pages: number }
  | { drawn: number; text: string }
  | { failed: true }
  /** A font or a table of letters that the PDF takes for granted: nothing is fetched from within the frame. */
  | { wants: string };
