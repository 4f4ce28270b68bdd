/** A button that is busy while its action runs, and tells of the error where the action fails. */

import { html } from "../ui.js";
import { Icon } from "./icon.js";
import { useUnderWay } from "./under_way.js";

/**
 * @param {{
 *   action: () => unknown;
 *   kind?: "primary" | "danger" | "plain" | "pick";
 *   icon?: string;
 *   label?: string;
 *   verb?: string;
 *   pressed?: boolean;
 *   expanded?: boolean;
 *   children?: unknown;
 * }} props `label` is what a screen reader says where the text alone is too short; `pressed` and `expanded` are for those that switch.
 *   `verb` is what it does, where one place has several: busy with one, the button takes another.
 */
export function Button({ action, kind = "plain", icon, label, verb, pressed, expanded, children }) {
  const does = verb ?? String(pressed);
  const { doing, carryOut } = useUnderWay();
  return html`<button
    type="button"
    class=${`button ${kind}`}
    aria-label=${label}
    aria-pressed=${pressed === undefined ? undefined : String(pressed)}
    aria-expanded=${expanded === undefined ? undefined : String(expanded)}
    aria-busy=${doing === does}
    onClick=${() => carryOut(does, action)}
  >
    ${icon && html`<${Icon} icon=${icon} />`}${children}
  </button>`;
}
