/** What a control is doing: one that has become another meanwhile, as "Connect" becomes "Stop", takes that press too. */

import { ApiError } from "../api/client.js";
import { tellFailure } from "../store/attempt.js";
import { useSignal } from "../ui.js";

/**
 * Of presses of one control, the same is none while it is under way, and another begins at once. An error is told, but
 * not where the reader has called it off, or where what he has pressed since took its place.
 *
 * @template T
 * @returns {{ doing: T | null; carryOut: (what: T, action: () => unknown) => Promise<void> }}
 */
export function useUnderWay() {
  const doing = useSignal(/** @type {T | null} */ (null));

  async function carryOut(/** @type {T} */ what, /** @type {() => unknown} */ action) {
    if (doing.value === what) return;
    doing.value = what;
    try {
      await action();
    } catch (error) {
      const replaced = doing.value !== what && error instanceof ApiError && error.code === "superseded";
      if (!replaced) tellFailure(error);
    } finally {
      if (doing.value === what) doing.value = null;
    }
  }

  return { doing: doing.value, carryOut };
}
