/** The tabs of a page, each with an address of its own, and loaded when it is first gone to. */

import { Tabs } from "@mantine/core";
import { type ComponentType, Suspense } from "react";
import { Navigate, useNavigate, useParams } from "react-router";

export interface PageTab<P> {
  /** The last part of its address. */
  name: string;
  label: string;
  Tab: ComponentType<P>;
}

/**
 * @param base The address of the page, which shows the first tab.
 * @param given What each tab is given.
 */
export function PageTabs<P extends object>({
  tabs,
  base,
  given,
}: {
  tabs: readonly PageTab<P>[];
  base: string;
  given: P;
}) {
  const { tab: current = tabs[0]?.name ?? "" } = useParams();
  const navigate = useNavigate();
  if (!tabs.some(({ name }) => name === current)) {
    return <Navigate to={base} replace />;
  }
  return (
    <Tabs value={current} onChange={(name) => void navigate(`${base}/${name}`)} keepMounted={false}>
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
