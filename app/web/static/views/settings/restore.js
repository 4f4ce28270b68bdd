/** Restores a backup: first it is only checked; what it would open is accepted one by one, or nothing changes. */

import { ApiError, post } from "../../api/client.js";
import { Form } from "../../components/form.js";
import { toBase64 } from "../../lib/base64.js";
import { say } from "../../messages/messages.js";
import { confirmed, unlessCancelled } from "../../store/password.js";
import { tell } from "../../store/toasts.js";
import { html, useRef, useSignal } from "../../ui.js";
import { RestoreContents } from "./restore_contents.js";

/** @import { RestoreBody, RestoredBody } from "../../../types/api.d.ts" */

/** @typedef {{ body: RestoreBody; contents: RestoredBody }} Checked */

export function Restore() {
  /** @type {import("../../vendor/signals.js").Signal<Checked | null>} */
  const checked = useSignal(/** @type {Checked | null} */ (null));
  const file = /** @type {import("../../vendor/preact.js").RefObject<HTMLInputElement | null>} */ (useRef(null));

  async function check(/** @type {Record<string, string>} */ { passphrase = "" }) {
    const chosen = file.current?.files?.[0];
    if (!chosen) throw new ApiError("", { code: "no_file" });
    const body = { backup: await toBase64(chosen), passphrase };
    checked.value = { body, contents: await post("/api/restore", { ...body, dry_run: true }) };
  }
  const restore = (/** @type {RestoreBody["accept"]} */ accept) =>
    unlessCancelled(async () => {
      const body = /** @type {Checked} */ (checked.value).body;
      await confirmed((confirmation) => post("/api/restore", { ...body, accept: accept ?? [], ...confirmation }));
      checked.value = null;
      tell(say("backup.restored"));
    });
  function cancel() {
    checked.value = null;
  }

  return html`<section class="card">
    <h2>${say("backup.restore")}</h2>
    ${
      checked.value
        ? html`<${RestoreContents} contents=${checked.value.contents} restore=${restore} cancel=${cancel} />`
        : html`<p class="hint">${say("backup.restore_what")}</p>
            <div class="field">
              <label for="backup-file">${say("backup.file")}</label>
              <input ref=${file} id="backup-file" type="file" accept=".age" />
            </div>
            <${Form}
              fields=${[{ name: "passphrase", label: say("backup.passphrase"), type: "password", autocomplete: "off" }]}
              submit=${say("backup.check")}
              send=${check}
            />`
    }
  </section>`;
}
