/** Which address is which screen. Screens are loaded when they are first gone to. */

import { createBrowserRouter } from "react-router";

import { Crash } from "./Crash";
import { SignedIn } from "./SignedIn";

export const router = createBrowserRouter([
  {
    ErrorBoundary: Crash,
    HydrateFallback: () => null,
    children: [
      { path: "/sign-in", lazy: () => import("../screens/sign-in/SignIn") },
      { path: "/invitation", lazy: () => import("../screens/sign-in/Invitation") },
      {
        Component: SignedIn,
        children: [
          { path: "/", lazy: () => import("../screens/rooms/Rooms") },
          { path: "/drafts/:id/:tab?", lazy: () => import("../screens/draft/DraftPage") },
          { path: "/rooms/:id/:tab?", lazy: () => import("../screens/room/RoomPage") },
          { path: "/datasets", lazy: () => import("../screens/datasets/Datasets") },
          { path: "/settings", lazy: () => import("../screens/settings/Settings") },
          { path: "/tokens", lazy: () => import("../screens/settings/Tokens") },
          { path: "*", lazy: () => import("../screens/NotFound") },
        ],
      },
    ],
  },
]);
