/** Instead of the steps: a backup, which is looked at first, and opens only what is ticked. */

import { ApiError, post } from "../../api/client.js";
import { Form } from "../../components/form.js";
import { Icon } from "../../components/icon.js";
import { moment } from "../../lib/time.js";
import { say, sayCode } from "../../messages/messages.js";
import { now } from "../../store/clock.js";
import { confirmed, unlessCancelled } from "../../store/password.js";
import { locale } from "../../store/preferences.js";
import { session } from "../../store/session.js";
import { html, useId, useSignal } from "../../ui.js";

/** @import { RestoredBody } from "../../../types/api.d.ts" */
/** @typedef {{ backup: string; passphrase: string; found: RestoredBody }} Looked */

/** @param {File} file Its bytes in base64. */
async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** @param {{ looked: Looked; done: () => void }} props */
function Contents({ looked: { backup, passphrase, found }, done }) {
  const send = (/** @type {Record<string, string>} */ ticked) =>
    unlessCancelled(async () => {
      const accept = found.opens.map((each) => each.what).filter((what) => ticked[what]);
      await confirmed((confirmation) => post("/api/restore", { backup, passphrase, accept, ...confirmation }));
      done();
    });
  return html`<h2>${say("first.restore_found")}</h2>
    <p>${say("first.restore_contents", {
      time: moment(found.created, now.value, locale.value),
      version: found.application,
      servers: found.servers,
      devices: found.devices,
    })}</p>
    <${Form} fields=${[]} submit=${say("first.restore_do")} send=${send}>
      ${
        found.opens.length > 0 &&
        html`<fieldset class="ticks">
          <legend>${say("first.restore_opens")}</legend>
          ${found.opens.map(
            ({ what }) =>
              html`<label key=${what}><input type="checkbox" name=${what} /> ${sayCode("opening", what)}</label>`,
          )}
        </fieldset>`
      }
    <//>`;
}

export function Restore() {
  const id = useId();
  const file = useSignal(/** @type {File | null} */ (null));
  const looked = useSignal(/** @type {Looked | null} */ (null));
  const restored = useSignal(false);
  async function look(/** @type {Record<string, string>} */ { passphrase = "" }) {
    if (!file.value) throw new ApiError("", { code: "no_file" });
    const backup = await base64(file.value);
    const found = await post("/api/restore", { backup, passphrase, dry_run: true });
    looked.value = { backup, passphrase, found };
  }
  const fields = [{ name: "passphrase", label: say("first.passphrase"), type: "password" }];
  const body = restored.value
    ? html`<p class="settled" role="status"><${Icon} icon="circle-check" />${say("first.restored")}</p>
        <p class="actions"><a class="button primary" href="/" data-view>${say("first.home")}</a></p>`
    : looked.value
      ? html`<${Contents} looked=${looked.value} done=${() => (restored.value = true)} />`
      : session.value?.password_set
        ? html`<${Form} fields=${fields} submit=${say("first.restore_look")} send=${look}>
            <div class="field">
              <label for=${id}>${say("first.restore_file")}</label>
              <input
                id=${id}
                type="file"
                accept=".age"
                onChange=${(/** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget }) => (file.value = currentTarget.files?.[0] ?? null)}
              />
            </div>
          <//>`
        : html`<p class="hint">${say("first.restore_needs_password")}</p>`;
  return html`<div class="first-run">
    <p><a class="back" href="/welcome" data-view><${Icon} icon="arrow-left" />${say("first.back")}</a></p>
    <section class="card">
      <h1 tabindex="-1">${say("first.restore_title")}</h1>
      <p>${say("first.restore_what")}</p>
      ${body}
    </section>
  </div>`;
}
