/** A way to the tests of the draft that is open. */

import { Button } from "@mantine/core";
import { IconTestPipe } from "@tabler/icons-react";
import { Link } from "react-router";

import { useDraft } from "../../../drafts/useDraft";

export function TestButton() {
  const { id } = useDraft();
  return (
    <Button
      component={Link}
      to={`/drafts/${id}/test`}
      variant="default"
      px="xs"
      leftSection={<IconTestPipe size={18} aria-hidden />}
    >
      Test all computations
    </Button>
  );
}
