/** What a view asks the gateway for when it opens: the answer, or why there is none. */

import { ApiError } from "../api/client.js";
import { sentenceOf } from "../api/errors.js";
import { say } from "../messages/messages.js";
import { html, useEffect, useRef, useSignal } from "../ui.js";
import { Button } from "./button.js";

/**
 * @template T
 * @typedef {{ value: T | null; failure: string | null; reload: () => Promise<void> }} Loaded
 */

/**
 * Ask when the view opens, and again whenever `key` changes; the last answer stays until there is another.
 *
 * @template T
 * @param {() => Promise<T>} load
 * @param {string | number} [key]
 * @returns {Loaded<T>}
 */
export function useLoaded(load, key = "") {
  /** @type {import("../vendor/signals.js").Signal<T | null>} */
  const value = useSignal(/** @type {T | null} */ (null));
  /** @type {import("../vendor/signals.js").Signal<string | null>} */
  const failure = useSignal(/** @type {string | null} */ (null));
  const turn = useRef(0);

  async function reload() {
    turn.current += 1;
    const mine = turn.current;
    try {
      const found = await load();
      if (mine !== turn.current) return;
      value.value = found;
      failure.value = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (mine === turn.current) failure.value = sentenceOf(error);
    }
  }

  useEffect(() => {
    reload();
  }, [key]);
  return { value: value.value, failure: failure.value, reload };
}

/** @param {{ loaded: Loaded<any> }} props What stands there while nothing is known, and where asking failed. */
export function Waiting({ loaded }) {
  if (loaded.failure)
    return html`<p class="error" role="alert">${loaded.failure}</p>
      <p><${Button} action=${loaded.reload}>${say("action.retry")}<//></p>`;
  return loaded.value === null ? html`<p class="hint">${say("state.loading")}</p>` : null;
}
