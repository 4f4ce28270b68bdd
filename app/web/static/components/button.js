/** A button that is busy while its action runs, and tells of the error where the action fails. */

import { sentenceOf } from "../api/errors.js";
import { tell } from "../store/toasts.js";
import { html, useSignal } from "../ui.js";
import { Icon } from "./icon.js";

/**
 * @param {{
 *   action: () => unknown;
 *   kind?: "primary" | "danger" | "plain" | "pick";
 *   icon?: string;
 *   label?: string;
 *   pressed?: boolean;
 *   expanded?: boolean;
 *   children?: unknown;
 * }} props `label` is what a screen reader says where the text alone is too short; `pressed` and `expanded` are for those that switch.
 */
export function Button({ action, kind = "plain", icon, label, pressed, expanded, children }) {
  const busy = useSignal(false);
  async function press() {
    if (busy.value) return;
    busy.value = true;
    try {
      await action();
    } catch (error) {
      tell(sentenceOf(error), { bad: true });
    } finally {
      busy.value = false;
    }
  }
  return html`<button
    type="button"
    class=${`button ${kind}`}
    aria-label=${label}
    aria-pressed=${pressed === undefined ? undefined : String(pressed)}
    aria-expanded=${expanded === undefined ? undefined : String(expanded)}
    aria-busy=${busy.value}
    onClick=${press}
  >
    ${icon && html`<${Icon} icon=${icon} />`}${children}
  </button>`;
}
