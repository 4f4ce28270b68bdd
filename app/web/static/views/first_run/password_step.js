/** The first step: a password, so that nobody else in the network can open a device. */

import { ApiError, post } from "../../api/client.js";
import { Form } from "../../components/form.js";
import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { passwordWindow } from "../../store/password_window.js";
import { load, session } from "../../store/session.js";
import { html } from "../../ui.js";
import { Step } from "./step.js";

/** @param {Record<string, string>} values The gateway signs in who sets the first one. */
async function send({ password = "", repeated }) {
  if (password !== repeated) throw new ApiError("", { code: "passwords_differ", field: "repeated" });
  await post("/api/auth/password", { password });
  await load();
}

export function PasswordStep() {
  const set = session.value?.password_set ?? false;
  const field = { type: "password", autocomplete: "new-password" };
  const fields = [
    { ...field, name: "password", label: say("first.new_password"), hint: say("first.new_password_hint") },
    { ...field, name: "repeated", label: say("first.repeat_password") },
  ];
  return html`<${Step} step="password" title=${say("first.password_title")} what=${say("first.password_what")} done=${set}>
    ${
      set
        ? html`<p class="settled"><${Icon} icon="circle-check" />${say("first.password_set")}</p>`
        : html`<${Form} fields=${fields} submit=${say("first.password_submit")} send=${send} />
            <p class="hint">${passwordWindow()}</p>
            <p class="hint">${say("first.password_skipped")}</p>`
    }
    <p><a href="/welcome/restore" data-view>${say("first.restore_instead")}</a></p>
  <//>`;
}
