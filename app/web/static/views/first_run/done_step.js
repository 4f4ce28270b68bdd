/** The last step: what is set up, what is not, and what that means. */

import { Icon } from "../../components/icon.js";
import { addressOf } from "../../lib/first_run.js";
import { say } from "../../messages/messages.js";
import { finish } from "../../store/first_run.js";
import { status } from "../../store/gateway.js";
import { session } from "../../store/session.js";
import { isStale } from "../../store/tone.js";
import { html, useEffect } from "../../ui.js";
import { Step } from "./step.js";

/** @import { Step as Name } from "../../lib/first_run.js" */

/** @param {{ done: boolean; text: string; step: Name }} props */
const Line = ({ done, text, step }) =>
  html`<li class="row">
    ${done ? html`<${Icon} icon="circle-check" />` : html`<${Icon} icon="circle-alert" />`}
    <p class="grow">${text}</p>
    ${!done && html`<a href=${addressOf(step)} data-view>${say("first.now")}</a>`}
  </li>`;

export function DoneStep() {
  useEffect(finish, []);
  const password = session.value?.password_set ?? false;
  const connected = !isStale() && status.value?.state === "connected";
  return html`<${Step} step="done" title=${say("first.done_title")} what=${say("first.done_what")}>
    <ul class="rows">
      <${Line} done=${password} step="password" text=${say(password ? "first.password_set" : "first.password_missing")} />
      <${Line}
        done=${connected}
        step="server"
        text=${connected ? say("first.connected", { place: status.value?.location ?? "" }) : say("first.not_connected")}
      />
    </ul>
    <p class="hint">${say("first.again")}</p>
    <p class="actions step-actions"><a class="button primary" href="/" data-view>${say("first.home")}</a></p>
  <//>`;
}
