/** The second factor: a code of an app. Setting up shows a picture to scan, and recovery codes, once. */

import { call, post } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { Form } from "../../components/form.js";
import { Secret } from "../../components/secret.js";
import { say } from "../../messages/messages.js";
import { load } from "../../store/session.js";
import { tell } from "../../store/toasts.js";
import { html, useSignal } from "../../ui.js";
import { code, presentPassword } from "./password_fields.js";

/** @import { EnrolmentBody } from "../../../types/api.d.ts" */

/** @param {{ on: boolean }} props */
export function SecondFactor({ on }) {
  /** @type {import("../../vendor/signals.js").Signal<EnrolmentBody | null>} */
  const enrolment = useSignal(/** @type {EnrolmentBody | null} */ (null));
  /** @type {import("../../vendor/signals.js").Signal<string[]>} */
  const recovery = useSignal(/** @type {string[]} */ ([]));

  async function begin(/** @type {Record<string, string>} */ { password = "" }) {
    enrolment.value = await post("/api/auth/totp", { password });
  }
  async function confirm(/** @type {Record<string, string>} */ { code: given = "" }) {
    recovery.value = (await post("/api/auth/totp/confirm", { code: given.trim() })).recovery_codes;
    enrolment.value = null;
    await load();
  }
  async function turnOff(/** @type {Record<string, string>} */ { password = "", code: given = "" }) {
    await call("DELETE", "/api/auth/totp", { password, code: given.trim() });
    await load();
    tell(say("access.factor_removed"));
  }
  function saved() {
    recovery.value = [];
  }

  return html`<section class="card">
    <h2>${say("access.factor")} <span class="tag">${say(on ? "access.on" : "access.off")}</span></h2>
    ${
      recovery.value.length
        ? html`<p role="status">${say("access.recovery")}</p>
            <${Secret} lines=${recovery.value} label=${say("access.recovery_codes")} />
            <p><${Button} kind="primary" action=${saved}>${say("access.recovery_saved")}<//></p>`
        : enrolment.value
          ? html`<${Scan} enrolment=${enrolment.value} /><${Form} key="confirm" fields=${[{ ...code(), autofocus: true }]} submit=${say("access.factor_on")} send=${confirm} />`
          : on
            ? html`<p class="hint">${say("access.factor_is_on")}</p>
                <${Form} key="off" fields=${[presentPassword("password"), { ...code(), label: say("access.code_or_recovery") }]} submit=${say("access.factor_off")} send=${turnOff} />`
            : html`<p class="hint">${say("access.factor_what")}</p>
                <${Form} key="begin" fields=${[presentPassword("password")]} submit=${say("access.factor_begin")} send=${begin} />`
    }
  </section>`;
}

/** @param {{ enrolment: EnrolmentBody }} props */
const Scan = ({ enrolment: { qr, secret } }) =>
  html`<p>${say("access.scan")}</p>
    <img class="qr" alt=${say("access.qr")} src=${`data:image/svg+xml;base64,${btoa(qr)}`} width="200" height="200" />
    <p class="hint">${say("access.type_key")} <code>${secret.replace(/(.{4})(?=.)/g, "$1 ")}</code></p>`;
