/** What scripts find installed. */

import { Stack, Text, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useState } from "react";

import { useDescribed } from "../../../app/queries";
import styles from "./Computations.module.css";
import { imageOf, librariesOf } from "./libraries";

export function Libraries({ image }: { image: string }) {
  const { data } = useDescribed();
  const [wanted, setWanted] = useState("");
  const found = imageOf(image, data?.images);
  if (found === undefined) {
    return <Text size="sm">The image {image} is the installation's own: ask its operator what is in it.</Text>;
  }
  const libraries = librariesOf(found, wanted);
  return (
    <Stack gap="xs">
      <Text size="sm" c="dimmed">
        {found.language}, and {Object.keys(found.packages).length} libraries:
      </Text>
      <TextInput
        aria-label="Search libraries"
        placeholder="Search"
        size="xs"
        leftSection={<IconSearch size={14} aria-hidden />}
        value={wanted}
        onChange={(event) => setWanted(event.currentTarget.value)}
      />
      <dl className={styles["libraries"]}>
        {libraries.map(({ name, version }) => (
          <div key={name} className={styles["library"]}>
            <dt>{name}</dt>
            <dd>{version ?? ""}</dd>
          </div>
        ))}
      </dl>
      {libraries.length === 0 && (
        <Text size="sm">
          Not in this image. {image.startsWith("python") && "A Python environment brings it along: add one."}
        </Text>
      )}
    </Stack>
  );
}
