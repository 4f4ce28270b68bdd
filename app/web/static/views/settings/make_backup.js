/** Makes a backup: what is in it and what is not, and the passphrase that alone opens it. */

import { ApiError, ask } from "../../api/client.js";
import { Form } from "../../components/form.js";
import { download } from "../../lib/download.js";
import { say } from "../../messages/messages.js";
import { confirmed, unlessCancelled } from "../../store/password.js";
import { tell } from "../../store/toasts.js";
import { html, useSignal } from "../../ui.js";

/** @import { BackupBody } from "../../../types/api.d.ts" */

/** @param {BackupBody} body */
async function fetchBackup(body) {
  const answer = await ask("POST", "/api/backup", { type: "application/json", body: JSON.stringify(body) });
  const name = /filename="?([^";]+)/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1];
  return { name: name ?? "vpn-gateway.age", content: await answer.blob() };
}

export function MakeBackup() {
  const made = useSignal(0); // a new form each time, in which no passphrase is left
  const send = (/** @type {Record<string, string>} */ { passphrase = "", again }) =>
    unlessCancelled(async () => {
      if (passphrase !== again) throw new ApiError(say("backup.differ"), { code: "differ", field: "again" });
      const { name, content } = await confirmed((confirmation) => fetchBackup({ passphrase, ...confirmation }));
      download(content, name);
      made.value += 1;
      tell(say("backup.made", { file: name }));
    });
  return html`<section class="card">
    <h2>${say("backup.make")}</h2>
    <p>${say("backup.has")}</p>
    <p class="hint">${say("backup.has_not")}</p>
    <p class="hint">${say("backup.passphrase_what")}</p>
    <${Form}
      key=${made.value}
      fields=${[
        {
          name: "passphrase",
          label: say("backup.passphrase"),
          type: "password",
          autocomplete: "new-password",
          hint: say("backup.passphrase_length"),
        },
        { name: "again", label: say("backup.again"), type: "password", autocomplete: "new-password" },
      ]}
      submit=${say("backup.make")}
      send=${send}
    />
  </section>`;
}
