/** What a checked backup holds, what it opens, and the decision. */

import { Button } from "../../components/button.js";
import { FactList } from "../../components/fact_list.js";
import { day } from "../../lib/time.js";
import { say, sayCode } from "../../messages/messages.js";
import { locale } from "../../store/preferences.js";
import { html, useSignal } from "../../ui.js";

/** @import { Opening, RestoreBody, RestoredBody } from "../../../types/api.d.ts" */

/**
 * @param {{
 *   contents: RestoredBody;
 *   restore: (accept: RestoreBody["accept"]) => Promise<unknown>;
 *   cancel: () => void;
 * }} props
 */
export function RestoreContents({ contents, restore, cancel }) {
  /** @type {import("../../vendor/signals.js").Signal<Opening["what"][]>} */
  const accepted = useSignal(/** @type {Opening["what"][]} */ ([]));
  const pressed = useSignal(false);
  const missing = contents.opens.length - accepted.value.length;
  function accept(/** @type {Opening["what"]} */ what, /** @type {boolean} */ on) {
    const others = accepted.value.filter((each) => each !== what);
    accepted.value = on ? [...others, what] : others;
  }
  async function go() {
    pressed.value = true;
    if (missing === 0) await restore(accepted.value);
  }
  return html`<p role="status">${say("backup.checked")}</p>
    <${FactList}
      facts=${[
        [say("backup.created"), day(contents.created, locale.value)],
        [say("backup.version"), contents.application],
        [say("backup.servers"), contents.servers.toLocaleString(locale.value)],
        [say("backup.devices"), contents.devices.toLocaleString(locale.value)],
        [
          say("backup.parts"),
          contents.parts.map((part) => sayCode("part", part.split(".")[0] ?? "") ?? part).join(", "),
        ],
      ]}
    />
    ${contents.warnings.map((warning) => html`<p class="finding">${warning}</p>`)}
    ${
      contents.opens.length > 0 &&
      html`<fieldset class="opens">
        <legend>${say("backup.opens")}</legend>
        ${contents.opens.map(
          ({ what, message }) =>
            html`<label class="check" key=${what}>
              <input
                type="checkbox"
                onChange=${(/** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget }) => accept(what, currentTarget.checked)}
              />
              <span><strong>${sayCode("opens", what) ?? what}</strong> <span class="hint">${message}</span></span>
            </label>`,
        )}
      </fieldset>`
    }
    ${pressed.value && missing > 0 && html`<p class="error" role="alert">${say("backup.accept_first")}</p>`}
    <p class="hint">${say("backup.then")}</p>
    <div class="actions">
      <${Button} action=${cancel}>${say("action.keep")}<//>
      <${Button} kind="danger" action=${go}>${say("backup.restore_now")}<//>
    </div>`;
}
