/** How everything looks. What would become CSS variables stands in colors.css instead. */

import { createTheme, Modal } from "@mantine/core";

export const theme = createTheme({
  primaryColor: "blue",
  primaryShade: 8,
  defaultRadius: "sm",
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    // What locks scrolling adds a style element, which the pages' policy forbids.
    Modal: Modal.extend({ defaultProps: { lockScroll: false, closeButtonProps: { "aria-label": "Close" } } }),
  },
});
