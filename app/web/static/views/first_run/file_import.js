/** Files of a provider, or of a server of one's own; the key of one may open the provider's whole list. */

import { post } from "../../api/client.js";
import { sentenceOf } from "../../api/errors.js";
import { Button } from "../../components/button.js";
import { decode } from "../../files.js";
import { say } from "../../messages/messages.js";
import { html, useId, useSignal } from "../../ui.js";

/** @import { ListOffer } from "../../../types/api.d.ts" */
/** @typedef {{ file: string; text: string; bad: boolean }} Outcome */

/** @param {{ added: () => Promise<void> }} props */
export function FileImport({ added }) {
  const id = useId();
  const outcomes = useSignal(/** @type {Outcome[]} */ ([]));
  const offer = useSignal(/** @type {ListOffer | null} */ (null));

  /** @param {File} file @returns {Promise<Outcome>} */
  async function take(file) {
    try {
      const answer = await post("/api/import", { config: decode(await file.arrayBuffer()), file: file.name });
      offer.value = answer.opens ?? offer.value;
      const text = [say("first.file_added", { server: answer.server ?? file.name }), ...(answer.warnings ?? [])];
      return { file: file.name, text: text.join(" "), bad: false };
    } catch (error) {
      return { file: file.name, text: `${file.name}: ${sentenceOf(error)}`, bad: true };
    }
  }

  async function choose(/** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget: input }) {
    outcomes.value = [];
    for (const file of input.files ?? []) outcomes.value = [...outcomes.value, await take(file)];
    input.value = "";
    if (outcomes.value.some((each) => !each.bad)) await added();
  }

  async function use(/** @type {ListOffer} */ { provider, server }) {
    await post(`/api/providers/${encodeURIComponent(provider)}/use-key`, { server });
    await post(`/api/provider/${encodeURIComponent(provider)}`);
    offer.value = null;
    await added();
  }

  const offered = offer.value;
  return html`<div class="field">
      <label for=${id}>${say("first.file_label")}</label>
      <input id=${id} type="file" accept=".conf" multiple onChange=${choose} aria-describedby=${`${id}-hint`} />
      <p class="hint" id=${`${id}-hint`}>${say("first.file_hint")}</p>
    </div>
    <div role="status">
      ${outcomes.value.map((each) => html`<p key=${each.file} class=${each.bad ? "error" : "settled"}>${each.text}</p>`)}
    </div>
    ${
      offered &&
      html`<div class="actions">
        <${Button} action=${() => use(offered)}>${say("first.file_opens", { provider: offered.title })}<//>
      </div>`
    }`;
}
