export default function DataTab() {
  return null;
}
