/** The first password: until it is set, everybody in the network can change the gateway. */

import { post } from "../../api/client.js";
import { Form } from "../../components/form.js";
import { say } from "../../messages/messages.js";
import { load } from "../../store/session.js";
import { tell } from "../../store/toasts.js";
import { html } from "../../ui.js";
import { checkRepeated, newPassword } from "./password_fields.js";

/** @import { WhoBody } from "../../../types/api.d.ts" */

const MINUTE = 60;

/** @param {Record<string, string>} values */
async function send(values) {
  checkRepeated(values);
  await post("/api/auth/password", { password: values.password ?? "" });
  await load();
  tell(say("access.set"));
}

/** @param {{ who: WhoBody }} props */
export function FirstPassword({ who }) {
  const left = who.first_password_seconds ?? 0;
  return html`<section class="card">
    <h2>${say("access.first")}</h2>
    <p>${say("access.first_what")}</p>
    ${
      left > 0
        ? html`<p class="hint">${say("access.first_left", { count: Math.ceil(left / MINUTE) })}</p>
            <${Form} fields=${newPassword()} submit=${say("access.set_password")} send=${send} />`
        : html`<p class="hint">${say("access.first_over")}</p>`
    }
  </section>`;
}
