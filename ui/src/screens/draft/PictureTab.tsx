export default function PictureTab() {
  return null;
}
