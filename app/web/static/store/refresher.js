/** Asks the gateway for a part anew, never twice at once. */

import { ApiError } from "../api/client.js";

/**
 * A part is asked for anew at most once at a time: of calls meanwhile, one more follows. Each call ends when an answer has
 * been taken that was asked for after it. Where something newer than an answer under way has come by another way,
 * `overtaken` lets it be asked for anew instead of taken.
 *
 * @template T
 * @param {() => Promise<T>} ask
 * @param {(answer: T) => void} take
 */
export function refresher(ask, take) {
  /** @type {Promise<void> | null} */
  let running = null;
  let again = false;
  let old = false;

  async function run() {
    try {
      do {
        again = old = false;
        const answer = await ask();
        if (!old) take(answer);
      } while (again || old);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // without an answer the part stays as it was, and the link says so
    } finally {
      running = null;
    }
  }

  function refresh() {
    again = true;
    running ??= run();
    return running;
  }

  function overtaken() {
    old = true;
  }

  return Object.assign(refresh, { overtaken });
}
