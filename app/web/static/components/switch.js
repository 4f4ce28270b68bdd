/** On or off: shows what the gateway says, never what was hoped for. */

import { html } from "../ui.js";
import { useUnderWay } from "./under_way.js";

/** @param {{ label: string; on: boolean; change: (on: boolean) => Promise<unknown> }} props */
export function Switch({ label, on, change }) {
  const { doing, carryOut } = useUnderWay();
  return html`<button
    type="button"
    role="switch"
    class="switch"
    aria-label=${label}
    aria-checked=${String(on)}
    aria-busy=${doing === !on}
    onClick=${() => carryOut(!on, () => change(!on))}
  ></button>`;
}
