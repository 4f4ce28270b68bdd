/** The question before what cannot be undone: it says what the act does, and the safe answer comes first. */

import { signal } from "../ui.js";

/** @typedef {{ title: string; text: string; action: string; answer: (yes: boolean) => void }} Asked */

/** @type {import("../vendor/signals.js").Signal<Asked | null>} */
export const asked = signal(null);

/**
 * Whether the reader agrees.
 *
 * @param {string} title
 * @param {string} text What the act does.
 * @param {string} action What the button says.
 * @returns {Promise<boolean>}
 */
export const agreed = (title, text, action) =>
  new Promise((resolve) => {
    asked.value = {
      title,
      text,
      action,
      answer(yes) {
        asked.value = null;
        resolve(yes);
      },
    };
  });
