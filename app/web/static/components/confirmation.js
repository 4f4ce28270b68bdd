/** The dialog that asks before what cannot be undone. */

import { say } from "../messages/messages.js";
import { asked } from "../store/confirmation.js";
import { html } from "../ui.js";
import { Button } from "./button.js";
import { Dialog } from "./dialog.js";

export function Confirmation() {
  const question = asked.value;
  if (!question) return null;
  return html`<${Dialog} title=${question.title} close=${() => question.answer(false)}>
    <p>${question.text}</p>
    <div class="actions">
      <${Button} action=${() => question.answer(false)}>${say("action.keep")}<//>
      <${Button} kind="danger" action=${() => question.answer(true)}>${question.action}<//>
    </div>
  <//>`;
}
