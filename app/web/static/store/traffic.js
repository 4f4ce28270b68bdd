/** The traffic of the last minutes, as the gateway tells it every few seconds. */

import { signal } from "../ui.js";

/** @import { TrafficRates } from "../../types/events.d.ts" */

const KEPT = 60; // rates

/** @type {import("../vendor/signals.js").Signal<TrafficRates[]>} the oldest first */
export const recentRates = signal([]);

/** @param {TrafficRates} rates */
export function add(rates) {
  recentRates.value = [...recentRates.value, rates].slice(-KEPT);
}
