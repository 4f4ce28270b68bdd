/** A button for what cannot be undone: it says first what it does, and does it only then. */

import { say } from "../messages/messages.js";
import { html, useSignal } from "../ui.js";
import { Button } from "./button.js";
import { Dialog } from "./dialog.js";

/**
 * @param {{ text: string; title: string; what: string; action: () => Promise<unknown>; icon?: string; label?: string }} props
 *   `text` is of the button, `what` says what it does.
 */
export function Confirmation({ text, title, what, action, icon, label }) {
  const asked = useSignal(false);
  const close = () => {
    asked.value = false;
  };
  async function confirm() {
    close();
    await action();
  }
  return html`<${Button} kind="danger" icon=${icon} label=${label} action=${() => (asked.value = true)}>${text}<//>
    ${
      asked.value &&
      html`<${Dialog} title=${title} close=${close}>
        <p>${what}</p>
        <div class="actions dialog-actions">
          <${Button} kind="danger" icon=${icon} action=${confirm}>${text}<//>
          <${Button} action=${close}>${say("action.cancel")}<//>
        </div>
      <//>`
    }`;
}
