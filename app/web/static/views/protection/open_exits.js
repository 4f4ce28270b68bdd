/** Opens what a leak has shut, after the reader has been told what that does. */

import { post } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { Dialog } from "../../components/dialog.js";
import { say } from "../../messages/messages.js";
import { canary, refreshCanary } from "../../store/canary.js";
import { tell } from "../../store/toasts.js";
import { html, useSignal } from "../../ui.js";

export function OpenExits() {
  const asked = useSignal(false);
  const close = () => {
    asked.value = false;
  };
  async function open() {
    await post("/api/canary/open");
    close();
    await refreshCanary();
    tell(say("shut.opened"));
  }
  return html`<p class="hint wide" lang="en">${canary.value?.shut}</p>
    <div class="actions">
      <${Button} icon="lock-open" action=${() => {
        asked.value = true;
      }}>${say("shut.open")}<//>
    </div>
    ${
      asked.value &&
      html`<${Dialog} title=${say("shut.question")} close=${close}>
        <p>${say("shut.what_it_does")}</p>
        <div class="actions dialog-actions">
          <${Button} kind="danger" action=${open}>${say("shut.open")}<//>
          <${Button} action=${close}>${say("shut.keep")}<//>
        </div>
      <//>`
    }`;
}
