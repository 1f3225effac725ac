/** The tabs of a page, each with an address of its own, and loaded when it is first gone to. */

import { Tabs } from "@mantine/core";
import { type ComponentType, Suspense } from "react";

export interface PageTab<P> {
  /** The last part of its address. */
  name: string;
  label: string;
  Tab: ComponentType<P>;
}

/** @param given What each tab is given. */
export function PageTabs<P extends object>({
  tabs,
  current,
  given,
  onChange,
}: {
  tabs: readonly PageTab<P>[];
  current: string;
  given: P;
  onChange: (name: string | null) => void;
}) {
  return (
    <Tabs value={current} onChange={onChange} keepMounted={false}>
      <Tabs.List>
        {tabs.map(({ name, label }) => (
          <Tabs.Tab key={name} value={name}>
            {label}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {tabs.map(({ name, Tab }) => (
        <Tabs.Panel key={name} value={name} pt="lg">
          <Suspense fallback={null}>
            <Tab {...given} />
          </Suspense>
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}
