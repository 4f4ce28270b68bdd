/** A dialog before what cannot be undone: it says what is lost, and its button says what it does. */

import { say } from "../messages/messages.js";
import { html } from "../ui.js";
import { Button } from "./button.js";
import { Dialog } from "./dialog.js";

/**
 * @param {{ title: string; text: string; verb: string; action: () => Promise<unknown>; close: () => void; children?: unknown }} props
 */
export function Question({ title, text, verb, action, close, children }) {
  const carryOut = async () => {
    await action();
    close();
  };
  return html`<${Dialog} title=${title} close=${close}>
    <div class="question">
      <p>${text}</p>
      ${children}
      <div class="actions">
        <${Button} kind="danger" action=${carryOut}>${verb}<//>
        <${Button} action=${close}>${say("action.cancel")}<//>
      </div>
    </div>
  <//>`;
}
