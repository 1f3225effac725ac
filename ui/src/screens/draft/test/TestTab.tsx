export default function TestTab() {
  return null;
}
