/** One proof from this browser, from its first packet to what the gateway has seen of it. */

import { get, post } from "../../api/client.js";
import { send } from "./probes.js";

/** @import { Proof } from "../../../types/api.d.ts" */

const POLL = 1000; // milliseconds between two looks

/**
 * @param {(share: number) => void} tell Called with the share (0 to 1) of the watch that is over.
 * @returns {Promise<Proof>}
 */
export async function prove(tell) {
  const ended = new AbortController();
  try {
    const begun = await post("/api/proof");
    for (const probe of begun.probes) send(probe, ended.signal);
    return await finished(begun, tell);
  } finally {
    ended.abort();
  }
}

/**
 * @param {Proof} begun
 * @param {(share: number) => void} tell
 */
async function finished(begun, tell) {
  const whole = begun.seconds || 1;
  let current = begun;
  while (current.state === "watching") {
    tell(1 - current.seconds / whole);
    await new Promise((done) => setTimeout(done, POLL));
    current = await get(`/api/proof/${encodeURIComponent(begun.id)}`);
  }
  return current;
}
