/** Another password; it signs out all other devices. */

import { post } from "../../api/client.js";
import { Form } from "../../components/form.js";
import { say } from "../../messages/messages.js";
import { load } from "../../store/session.js";
import { tell } from "../../store/toasts.js";
import { html, useSignal } from "../../ui.js";
import { checkRepeated, code, newPassword, presentPassword } from "./password_fields.js";

/** @param {{ secondFactor: boolean }} props */
export function ChangePassword({ secondFactor }) {
  const changed = useSignal(0); // a new form each time, in which no password is left
  async function send(/** @type {Record<string, string>} */ values) {
    checkRepeated(values);
    const { password = "", current = "", code: given } = values;
    await post("/api/auth/password", { password, current, ...(given ? { code: given.trim() } : {}) });
    changed.value += 1;
    await load();
    tell(say("access.changed"));
  }
  const fields = [presentPassword("current"), ...newPassword(), ...(secondFactor ? [code()] : [])];
  return html`<section class="card">
    <h2>${say("access.change")}</h2>
    <p class="hint">${say("access.change_what")}</p>
    <${Form} key=${changed.value} fields=${fields} submit=${say("access.change")} send=${send} />
  </section>`;
}
