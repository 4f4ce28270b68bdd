/** A change by a control that is saved at once. */

import { sentenceOf } from "../api/errors.js";
import { CancelledError } from "./password.js";
import { tell } from "./toasts.js";

/**
 * Make the change, and be busy meanwhile; tell why it failed, and nothing where the reader has called it off.
 *
 * @param {import("../vendor/signals.js").Signal<boolean>} busy
 * @param {() => unknown} change
 */
export async function attempt(busy, change) {
  busy.value = true;
  try {
    await change();
  } catch (error) {
    tellFailure(error);
  } finally {
    busy.value = false;
  }
}

/** @param {unknown} error Why a change failed; what the reader has called off is not told. */
export function tellFailure(error) {
  if (!(error instanceof CancelledError)) tell(sentenceOf(error), { bad: true });
}
