/** Loading a page anew because it is somebody else's turn: who has no say in what its user has left on it. */

let begun = false;

// Browsers ask listeners in the order in which they came: this one before all that would ask whether to stay.
addEventListener("beforeunload", (event) => begun && event.stopImmediatePropagation());

/** Loads the page anew, whatever on it isn't kept. */
export function loadAnew(): void {
  begun = true;
  location.reload();
}
