/** A dialog that is open for as long as it is there, and gives the focus back when it goes. */

import { Modal, type ModalProps } from "@mantine/core";
import { useEffect, useState } from "react";

/** A click beside it doesn't close it: that would be the second of a double click, or lose what was typed. */
export function Dialog(props: Omit<ModalProps, "opened">) {
  const [opener] = useState(openedBy);
  useEffect(() => () => giveBack(opener), [opener]);
  return <Modal closeOnClickOutside={false} {...props} opened />;
}

/** What has the focus; of an item of a menu, which goes with its menu, the button that opens that. */
function openedBy(): Element | null {
  const focused = document.activeElement;
  const menu = focused?.closest("[role=menu]")?.getAttribute("aria-labelledby");
  return menu == null ? focused : document.getElementById(menu);
}

function giveBack(opener: Element | null): void {
  const heading = document.querySelector("h1");
  // Only what may be focused can be; the heading isn't gone to by Tab.
  heading?.setAttribute("tabindex", "-1");
  for (const element of [opener, heading]) {
    // Somebody else may have taken it; and what has gone or is disabled can't.
    if (document.activeElement === document.body && element instanceof HTMLElement) {
      element.focus({ preventScroll: true });
    }
  }
}
