/** Shows a picture or a drawing. As an image: whatever a drawing holds, it runs no scripts and loads nothing. */

import { frame } from "./frame";

frame(async ({ label, type, content }, _, say) => {
  const image = new Image();
  image.alt = label;
  image.src = URL.createObjectURL(new Blob([content], { type }));
  await image.decode();
  if (image.naturalWidth === 0) {
    // A drawing that says nothing of its size.
    image.width = 800;
  }
  document.body.append(image);
  say({ shown: true, pages: 1 });
});
