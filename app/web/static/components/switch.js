/** On or off: shows what the gateway says, never what was hoped for. */

import { sentenceOf } from "../api/errors.js";
import { CancelledError } from "../store/password.js";
import { tell } from "../store/toasts.js";
import { html, useSignal } from "../ui.js";

/** @param {{ label: string; on: boolean; change: (on: boolean) => Promise<unknown> }} props */
export function Switch({ label, on, change }) {
  const busy = useSignal(false);
  async function press() {
    if (busy.value) return;
    busy.value = true;
    try {
      await change(!on);
    } catch (error) {
      if (!(error instanceof CancelledError)) tell(sentenceOf(error), { bad: true });
    } finally {
      busy.value = false;
    }
  }
  return html`<button
    type="button"
    role="switch"
    class="switch"
    aria-label=${label}
    aria-checked=${String(on)}
    aria-busy=${busy.value}
    onClick=${press}
  ></button>`;
}
