/** The picture of a room: its nodes, what needs what, who provides and who may run what, and how it stands. */

import "@xyflow/react/dist/style.css";

import { Alert, Stack, Text, useComputedColorScheme } from "@mantine/core";
import {
  IconAlertTriangle,
  IconCircleCheck,
  IconHourglass,
  IconLoader,
  IconUser,
  type TablerIcon,
} from "@tabler/icons-react";
import {
  type AriaLabelConfig,
  Background,
  Controls,
  type Edge,
  type Node as FlowNode,
  Handle,
  MarkerType,
  MiniMap,
  type NodeProps,
  Position,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
} from "@xyflow/react";
import { createContext, type KeyboardEvent, use, useMemo, useRef, useState } from "react";

import { isDataNode } from "../../core/nodes";
import type { Node } from "../../core/records";
import { KINDS } from "../kinds";
import {
  described,
  type GraphEdge,
  type GraphNode,
  graphOf,
  HEIGHT,
  listed,
  type Pictured,
  type Place,
  places,
  WIDTH,
} from "./layout";
import styles from "./RoomGraph.module.css";
import type { NodeState } from "./states";

type RoomNode = FlowNode<{ shown: GraphNode }, "room">;

interface Live {
  states: ReadonlyMap<string, NodeState>;
  /** The node that the keyboard comes to first. */
  current: string | undefined;
  open: (node: Node) => void;
}

const LiveContext = createContext<Live>({ states: new Map(), current: undefined, open: () => undefined });
const NODE_TYPES = { room: NodeCard };
const STATE_ICONS: Record<NodeState["tone"], TablerIcon> = {
  good: IconCircleCheck,
  busy: IconLoader,
  bad: IconAlertTriangle,
  open: IconHourglass,
};
const FIT = { minZoom: 0.02, maxZoom: 1, padding: 0.08 };
/** Nodes from which on a small picture of the whole helps; that of fewer would only hide some of them. */
const MANY = 12;
/** Of a node that the keyboard has come to: letters that can be read. */
const READABLE = 0.8;
const NO_STATES: ReadonlyMap<string, NodeState> = new Map();
const LABELS: Partial<AriaLabelConfig> = {
  "controls.ariaLabel": "Size of the picture",
  "controls.zoomIn.ariaLabel": "Larger",
  "controls.zoomOut.ariaLabel": "Smaller",
  "controls.fitView.ariaLabel": "Show all",
  "minimap.ariaLabel": "The whole picture, small",
};
const STEPS: Readonly<Record<string, (at: number, last: number) => number>> = {
  ArrowRight: (at, last) => Math.min(at + 1, last),
  ArrowDown: (at, last) => Math.min(at + 1, last),
  ArrowLeft: (at) => Math.max(at - 1, 0),
  ArrowUp: (at) => Math.max(at - 1, 0),
  Home: () => 0,
  End: (_, last) => last,
};

interface RoomGraphProps {
  room: Pictured;
  /** How the nodes of a published room stand, by id. */
  states?: ReadonlyMap<string, NodeState>;
  /** Goes to a node. */
  onOpen: (node: Node) => void;
}

export function RoomGraph({ room, states = NO_STATES, onOpen }: RoomGraphProps) {
  const graph = useMemo(() => graphOf(room), [room]);
  const there = useMemo(() => places(graph), [graph]);
  if (graph.nodes.length === 0) {
    return <Text c="dimmed">Nothing to see yet: add data and computations, and they are pictured here.</Text>;
  }
  return (
    <Stack gap="sm">
      {there === undefined ? (
        <Alert title="Too much for a picture">
          There are more lines between these nodes than anybody could follow.
        </Alert>
      ) : (
        <ReactFlowProvider>
          <Picture nodes={graph.nodes} edges={graph.edges} there={there} states={states} onOpen={onOpen} />
        </ReactFlowProvider>
      )}
      <details open={there === undefined}>
        <summary>The same as a list</summary>
        <ol>
          {graph.nodes.map((each) => (
            <li key={each.node.id}>
              <bdi>{described(each, states.get(each.node.id)?.label)}</bdi>
            </li>
          ))}
        </ol>
      </details>
    </Stack>
  );
}

interface PictureProps extends Required<Omit<RoomGraphProps, "room">> {
  nodes: readonly GraphNode[];
  edges: readonly GraphEdge[];
  there: readonly Place[];
}

function Picture({ nodes, edges, there, states, onOpen }: PictureProps) {
  const frame = useRef<HTMLDivElement>(null);
  const [wanted, setWanted] = useState<string>();
  const { setCenter, getZoom } = useReactFlow();
  const colorMode = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const flowNodes = useMemo(() => nodes.map((node, at) => flowNode(node, there[at])), [nodes, there]);
  const flowEdges = useMemo(() => edges.map(flowEdge), [edges]);
  const found = nodes.findIndex((each) => each.node.id === wanted);
  const at = Math.max(found, 0);
  const current = nodes[at]?.node.id;
  const live = useMemo(() => ({ states, current, open: onOpen }), [states, current, onOpen]);

  const step = (event: KeyboardEvent): void => {
    const next = STEPS[event.key]?.(at, nodes.length - 1) ?? -1;
    const [to, place] = [nodes[next], there[next]];
    const onNode = event.target instanceof HTMLElement && event.target.dataset["node"] !== undefined;
    if (to === undefined || place === undefined || !onNode) {
      return;
    }
    event.preventDefault();
    setWanted(to.node.id);
    void setCenter(place.x + WIDTH / 2, place.y + HEIGHT / 2, { zoom: Math.max(getZoom(), READABLE) });
    const cards = frame.current?.querySelectorAll<HTMLElement>("[data-node]") ?? [];
    // The picture moves by itself: if the browser scrolled, too, it would be out of place.
    [...cards].find((card) => card.dataset["node"] === to.node.id)?.focus({ preventScroll: true });
  };

  return (
    <LiveContext value={live}>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: keys that come to the buttons in it. */}
      <div className={styles["frame"]} ref={frame} onKeyDown={step}>
        <ReactFlow<RoomNode>
          className={styles["flow"] ?? ""}
          nodes={flowNodes}
          edges={flowEdges}
          nodeTypes={NODE_TYPES}
          colorMode={colorMode}
          fitView
          fitViewOptions={FIT}
          minZoom={0.02}
          maxZoom={2}
          nodesDraggable={false}
          nodesConnectable={false}
          nodesFocusable={false}
          edgesFocusable={false}
          elementsSelectable={false}
          disableKeyboardA11y
          deleteKeyCode={null}
          selectionKeyCode={null}
          multiSelectionKeyCode={null}
          panActivationKeyCode={null}
          zoomOnScroll={false}
          zoomOnDoubleClick={false}
          preventScrolling={false}
          ariaLabelConfig={LABELS}
          aria-label="The room's nodes. Arrow keys go from one to the next."
        >
          <Background />
          <Controls showInteractive={false} />
          {nodes.length >= MANY && <MiniMap<RoomNode> pannable zoomable nodeColor={miniColor} />}
        </ReactFlow>
      </div>
      <Text size="xs" c="dimmed">
        From left to right: what is needed stands before what needs it. Round corners: data. Dashed lines: packages that
        a script brings along. A click, or Enter, goes to a node; Ctrl and the wheel change the size.
      </Text>
    </LiveContext>
  );
}

function NodeCard({ data: { shown } }: NodeProps<RoomNode>) {
  const { states, current, open } = use(LiveContext);
  const { node, people } = shown;
  const { label, icon: Icon, color } = KINDS[node.kind];
  const state = states.get(node.id);
  const StateIcon = state === undefined ? undefined : STATE_ICONS[state.tone];
  const data = isDataNode(node);
  return (
    <>
      <Handle type="target" position={Position.Left} className={styles["handle"] ?? ""} />
      <button
        type="button"
        className={styles["node"]}
        data-node={node.id}
        data-color={color}
        data-data={data || undefined}
        tabIndex={node.id === current ? 0 : -1}
        title={described(shown, state?.label)}
        onClick={() => open(node)}
      >
        <span className={styles["head"]}>
          <Icon size={18} aria-hidden />
          <span className={`${styles["text"]} ${styles["name"]}`}>{node.name}</span>
        </span>
        <span className={`${styles["text"]} ${styles["dimmed"]}`}>
          {label}
          {data && !node.required && ", not required"}
        </span>
        {node.kind !== "python_environment" && (
          <span className={styles["line"]}>
            <IconUser size={14} aria-hidden />
            <span className={styles["people"]}>
              {data ? "data: " : "runs: "}
              {people.length > 2 ? `${people[0]} and ${people.length - 1} more` : listed(people, "nobody yet")}
            </span>
          </span>
        )}
        {state !== undefined && StateIcon !== undefined && (
          <span className={`${styles["line"]} ${styles["state"]}`} data-tone={state.tone}>
            <StateIcon size={14} aria-hidden />
            <span className={styles["text"]}>{state.label}</span>
          </span>
        )}
      </button>
      <Handle type="source" position={Position.Right} className={styles["handle"] ?? ""} />
    </>
  );
}

function flowNode(shown: GraphNode, place: Place = { x: 0, y: 0 }): RoomNode {
  return {
    id: shown.node.id,
    type: "room",
    position: place,
    width: WIDTH,
    height: HEIGHT,
    // What is known needn't be measured.
    handles: [
      { type: "target", position: Position.Left, x: 0, y: HEIGHT / 2, width: 1, height: 1 },
      { type: "source", position: Position.Right, x: WIDTH, y: HEIGHT / 2, width: 1, height: 1 },
    ],
    data: { shown },
  };
}

function flowEdge({ id, from, to, environment }: GraphEdge): Edge {
  return {
    id,
    source: from,
    target: to,
    markerEnd: { type: MarkerType.ArrowClosed, width: 18, height: 18 },
    ...(environment ? { className: styles["environment"] ?? "" } : {}),
  };
}

function miniColor({ data: { shown } }: RoomNode): string {
  return `var(--mantine-color-${KINDS[shown.node.kind].color}-filled)`;
}
