/** What a control changes is saved one change after another. */

import { attempt } from "../store/attempt.js";
import { useRef, useSignal } from "../ui.js";

/**
 * A control whose changes are saved at once shows what the gateway says, so that the new value comes with the gateway's
 * own word. Of changes that are made while one is being saved, the last follows it; the same once more is none.
 *
 * @template T
 * @param {(wanted: T) => unknown} save
 * @returns {{ busy: boolean; change: (wanted: T) => Promise<void> }}
 */
export function useSaving(save) {
  const busy = useSignal(false);
  const latest = useRef(/** @type {{ save: typeof save; wanted?: T }} */ ({ save }));
  latest.current.save = save; // what follows starts from what the gateway says by then

  async function change(/** @type {T} */ wanted) {
    const { current } = latest;
    current.wanted = wanted;
    if (busy.value) return;
    /** @type {T} */
    let saved;
    do {
      saved = /** @type {T} */ (current.wanted);
      await attempt(busy, () => current.save(saved));
    } while (current.wanted !== saved);
  }

  return { busy: busy.value, change };
}
