/** On or off: shows what the gateway says, never what was hoped for. */

import { attempt } from "../store/attempt.js";
import { html, useSignal } from "../ui.js";

/** @param {{ label: string; on: boolean; change: (on: boolean) => Promise<unknown> }} props */
export function Switch({ label, on, change }) {
  const busy = useSignal(false);
  async function press() {
    if (busy.value) return;
    await attempt(busy, () => change(!on));
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
