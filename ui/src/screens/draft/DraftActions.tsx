export function DraftActions() {
  return null;
}
