export default function ComputationsTab() {
  return null;
}
