export default function PermissionsTab() {
  return null;
}
