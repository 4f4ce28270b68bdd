/** How safe a device is just now, for its colour: green only where its exit is known to be up this moment. */

import { exitOf } from "../lib/policy.js";
import { state, status } from "./gateway.js";

/** @typedef {"protected" | "open" | "blocked" | "stale"} Tone */

const UNKNOWN = new Set(["waiting", "lost", "unavailable"]);

/** Whether what the page shows is from a while ago. */
export const isStale = () => UNKNOWN.has(state.value);

/** @param {string} name */
export const exitStatus = (name) => status.value?.exits.find((each) => each.name === name);

/**
 * @param {string} policy
 * @returns {Tone}
 */
export function toneOf(policy) {
  if (isStale()) return "stale";
  if (policy === "direct") return "open";
  const exit = exitOf(policy);
  const up = exit !== null && exitStatus(exit)?.state === "connected" && state.value !== "unconfirmed";
  return up ? "protected" : "blocked";
}
