/** The view of a reader who has not signed in: the sign-in, and what everybody may know of the own device. */

import { post } from "../../api/client.js";
import { Form } from "../../components/form.js";
import { say } from "../../messages/messages.js";
import { load, session } from "../../store/session.js";
import { html } from "../../ui.js";
import { ThisDevice } from "../home/this_device.js";

/** @param {Record<string, string>} values */
async function signIn({ password = "", code }) {
  await post("/api/auth/login", { password, mode: "cookie", ...(code ? { code: code.trim() } : {}) });
  await load();
}

export function SignIn() {
  const password = {
    name: "password",
    label: say("field.password"),
    type: "password",
    autocomplete: "current-password",
  };
  const code = { name: "code", label: say("field.code"), autocomplete: "one-time-code" };
  return html`<main class="signed-out" id="view">
    <section class="card" aria-labelledby="sign-in">
      <h1 id="sign-in" tabindex="-1">${say("sign_in.title")}</h1>
      <p class="hint">${say("sign_in.why")}</p>
      <${Form} fields=${session.value?.second_factor ? [password, code] : [password]} submit=${say("sign_in.title")} send=${signIn} />
      <p class="hint">${say("sign_in.forgotten")}</p>
    </section>
    <${ThisDevice} />
  </main>`;
}
