/** The admin password, asked for again where the gateway wants it: what opens a device, an alarm, a key. */

import { ApiError } from "../api/client.js";
import { signal } from "../ui.js";

/** @typedef {{ password?: string; code?: string }} Confirmation */
/** @typedef {{ send: (values: Confirmation) => Promise<void>; cancel: () => void }} Question */

/** @type {import("../vendor/signals.js").Signal<Question | null>} */
export const question = signal(null);

/** The reader closed the question: nothing was changed, and there is nothing to tell. */
export class CancelledError extends Error {}

/** @param {() => Promise<unknown>} action What the reader may call off, which is no error. */
export async function unlessCancelled(action) {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof CancelledError)) throw error;
  }
}

/**
 * Do it; where the gateway asks for the password, ask the reader, and do it again with the answer.
 *
 * @template T
 * @param {(confirmation: Confirmation) => Promise<T>} action
 * @returns {Promise<T>}
 */
export async function confirmed(action) {
  try {
    return await action({});
  } catch (error) {
    if (!(error instanceof ApiError) || error.field !== "password") throw error;
  }
  question.value?.cancel(); // one is asked at a time: what waits for another answer would wait for ever
  return new Promise((resolve, reject) => {
    question.value = {
      async send(values) {
        resolve(await action(values));
        question.value = null;
      },
      cancel() {
        question.value = null;
        reject(new CancelledError());
      },
    };
  });
}
