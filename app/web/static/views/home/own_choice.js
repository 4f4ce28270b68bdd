/** What a device may decide for itself without the admin's password: its exit, and a pause. */

import { call } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { say } from "../../messages/messages.js";
import { refreshMe } from "../../store/gateway.js";
import { exitName } from "../../store/names.js";
import { html } from "../../ui.js";

/** @import { MeBody, MeChange } from "../../../types/api.d.ts" */

const PAUSE = 900; // seconds

/** @param {MeChange} change */
async function ask(change) {
  await call("PATCH", "/api/me", change);
  await refreshMe();
}

/** @param {{ mine: MeBody }} props */
export function OwnChoice({ mine }) {
  const seconds = Math.min(PAUSE, mine.longest_pause ?? PAUSE);
  return html`<div class="actions">
    ${mine.exits
      .filter((exit) => exit !== mine.exit)
      .map((exit) => html`<${Button} key=${exit} action=${() => ask({ exit })}>${exitName(exit)}<//>`)}
    ${mine.chosen_exit !== null && html`<${Button} action=${() => ask({ exit: null })}>${say("policy.inherit")}<//>`}
    ${
      mine.pause
        ? html`<${Button} verb="end" action=${() => ask({ pause: 0 })}>${say("me.end_pause")}<//>`
        : mine.can_pause &&
          html`<${Button} verb="pause" action=${() => ask({ pause: seconds })}>${say("me.pause", { count: Math.round(seconds / 60) })}<//>`
    }
  </div>`;
}
