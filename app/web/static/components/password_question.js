/** The dialog that asks for the admin password again, with the code where there is a second factor. */

import { say } from "../messages/messages.js";
import { question } from "../store/password.js";
import { session } from "../store/session.js";
import { html } from "../ui.js";
import { Dialog } from "./dialog.js";
import { Form } from "./form.js";

export function PasswordQuestion() {
  const asked = question.value;
  if (!asked) return null;
  const password = {
    name: "password",
    label: say("field.password"),
    type: "password",
    autocomplete: "current-password",
    autofocus: true,
  };
  const code = { name: "code", label: say("field.code"), autocomplete: "one-time-code" };
  const fields = session.value?.second_factor ? [password, code] : [password];
  return html`<${Dialog} title=${say("password.title")} close=${asked.cancel}>
    <p class="hint">${say("password.why")}</p>
    <${Form} fields=${fields} submit=${say("action.confirm")} send=${asked.send} />
  <//>`;
}
