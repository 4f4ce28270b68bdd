/** "What if": what would become of the device's packets to an address or a name. Nothing is sent, nothing changed. */

import { post } from "../../../api/client.js";
import { Form } from "../../../components/form.js";
import { say, sayCode } from "../../../messages/messages.js";
import { exits } from "../../../store/gateway.js";
import { deviceName, exitName } from "../../../store/names.js";
import { html, useId, useSignal } from "../../../ui.js";

/** @import { DeviceBody, ExplanationBody, SuppositionBody } from "../../../../types/api.d.ts" */

/** @returns {Record<string, SuppositionBody | null>} What may be supposed, by the value of its option. */
const suppositions = () => ({
  now: null,
  wan: { wan_down: true },
  blocked: { policy: "blocked" },
  ...Object.fromEntries(exits.value.map((exit) => [`down:${exit.name}`, { exit_down: exit.name }])),
});

/** @param {string} value */
function wordsOf(value) {
  if (value === "now") return say("whatif.now");
  if (value === "wan") return say("whatif.wan_down");
  if (value === "blocked") return say("whatif.if_blocked");
  return say("whatif.exit_down", { exit: exitName(value.slice("down:".length)) });
}

/** @param {{ found: ExplanationBody; destination: string }} props */
function Answer({ found, destination }) {
  const path = found.paths.find((each) => each.verdict === found.verdict);
  const exit = exitName(path?.exit ?? "default");
  const cause = path?.rule
    ? sayCode("cause", path.rule === "device_blocked" ? `by_${found.origin}` : path.rule, { exit, group: "" })
    : null;
  return html`<div class="answer" role="status" data-verdict=${found.verdict}>
    <p><strong>${sayCode("verdict", found.verdict, { destination, exit })}</strong> ${cause}</p>
    ${found.lookup && found.lookup.addresses.length > 0 && html`<p class="hint">${say("whatif.lookup", { name: found.lookup.name, addresses: found.lookup.addresses.join(", ") })}</p>`}
  </div>`;
}

/** @param {{ device: DeviceBody }} props */
export function WhatIf({ device }) {
  const id = useId();
  const answer = useSignal(/** @type {{ found: ExplanationBody; destination: string } | null} */ (null));
  async function ask(/** @type {Record<string, string>} */ { destination = "", suppose = "now" }) {
    const supposed = suppositions()[suppose];
    const wanted = destination.trim();
    answer.value = null;
    const found = await post("/api/explain", {
      device: device.mac,
      destination: wanted,
      ...(supposed ? { if: supposed } : {}),
    });
    answer.value = { found, destination: wanted };
  }
  const fields = [{ name: "destination", label: say("whatif.destination"), hint: say("whatif.destination_hint") }];
  return html`<section class="card" aria-labelledby="what-if">
    <h2 id="what-if">${say("whatif.title")}</h2>
    <p class="hint">${say("whatif.why", { device: deviceName(device) })}</p>
    <${Form} fields=${fields} submit=${say("whatif.ask")} send=${ask}>
      <div class="field">
        <label for=${id}>${say("whatif.suppose")}</label>
        <select class="menu" id=${id} name="suppose">
          ${Object.keys(suppositions()).map((each) => html`<option key=${each} value=${each}>${wordsOf(each)}</option>`)}
        </select>
      </div>
    <//>
    ${answer.value && html`<${Answer} ...${answer.value} />`}
  </section>`;
}
