/** Asks the gateway for a part anew, never twice at once. */

import { ApiError } from "../api/client.js";

/**
 * A part is asked for anew at most once at a time: of calls meanwhile, one more follows.
 *
 * @param {() => Promise<void>} ask
 */
export function refresher(ask) {
  let running = false;
  let again = false;
  return async function refresh() {
    again = running;
    if (running) return;
    running = true;
    try {
      do {
        again = false;
        await ask();
      } while (again);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // without an answer the part stays as it was, and the link says so
    } finally {
      running = false;
    }
  };
}
