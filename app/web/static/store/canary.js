/** What the gateway's own probes have shown, round by round. */

import { get } from "../api/client.js";
import { signal } from "../ui.js";
import { refresher } from "./refresher.js";

/** @import { Canary } from "../../types/api.d.ts" */

/** @type {import("../vendor/signals.js").Signal<Canary | null>} null = not loaded yet */
export const canary = signal(null);

export const refreshCanary = refresher(
  () => get("/api/canary"),
  (body) => {
    canary.value = body;
  },
);
