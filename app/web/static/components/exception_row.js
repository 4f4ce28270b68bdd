/** An exception: whose, until when, and its two controls. */

import { say } from "../messages/messages.js";
import { end, extend, openFor } from "../store/actions.js";
import { policyName } from "../store/names.js";
import { html } from "../ui.js";
import { Button } from "./button.js";
import { Countdown } from "./countdown.js";
import { Icon } from "./icon.js";

/** @import { ExceptionBody } from "../../types/api.d.ts" */

const MORE = 15; // minutes

/** @param {{ exception: ExceptionBody }} props */
export function ExceptionRow({ exception }) {
  const who = openFor(exception);
  return html`<li class="row" data-policy=${exception.policy}>
    <span class="emblem small"><${Icon} icon="clock" /></span>
    <div class="grow">
      <p class="row-title">${say("exception.row", { device: who, policy: policyName(exception.policy) })}</p>
      <p class="hint">${exception.reason}</p>
    </div>
    <${Countdown} until=${exception.until} />
    <${Button} action=${() => extend(exception, MORE)} label=${say("exception.extend_label", { device: who, count: MORE })}>
      ${say("exception.extend", { count: MORE })}
    <//>
    <${Button} action=${() => end(exception)} label=${say("exception.end_label", { device: who })}>${say("exception.end")}<//>
  </li>`;
}
