/** Run the proof: the gateway sends probes as a device of an exit, and watches where they go. */

import { post } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { say } from "../../messages/messages.js";
import { now } from "../../store/clock.js";
import { exits } from "../../store/gateway.js";
import { exitName } from "../../store/names.js";
import { html, useId, useSignal } from "../../ui.js";
import { ProofResult } from "./proof_result.js";

/** @import { LeakTestAnswer } from "../../../types/api.d.ts" */
/** @typedef {{ answer: LeakTestAnswer; exit: string; time: number }} Found */

const MAIN = "default"; // the exit that each gateway has

/** @param {{ since: number }} props The steps happen at once, so only the time is told. */
const Running = ({ since }) =>
  html`<div class="running">
    <progress aria-label=${say("run.progress")} />
    <p class="hint">
      <span role="status">${say("run.running")}</span>
      <span aria-hidden="true">${say("run.seconds", { count: Math.max(0, Math.round(now.value - since)) })}</span>
    </p>
  </div>`;

export function RunProof() {
  const id = useId();
  const chosen = useSignal(MAIN);
  const since = useSignal(0); // Unix time of the start; 0 = none is running
  /** @type {import("../../vendor/signals.js").Signal<Found | null>} */
  const found = useSignal(null);

  async function run() {
    const exit = chosen.value;
    found.value = null;
    since.value = now.value;
    try {
      found.value = { answer: await post("/api/leak-test", { exit }), exit, time: now.value };
    } finally {
      since.value = 0;
    }
  }

  return html`<section class="card proof" aria-labelledby="run-proof">
    <h2 id="run-proof">${say("run.title")}</h2>
    <p class="hint">${say("run.what")}</p>
    <div class="actions">
      ${
        exits.value.length > 1 &&
        html`<label class="visually-hidden" for=${id}>${say("run.exit")}</label>
          <select
            id=${id}
            class="menu"
            value=${chosen.value}
            onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ { currentTarget }) => {
              chosen.value = currentTarget.value;
            }}
          >
            ${exits.value.map(({ name }) => html`<option key=${name} value=${name}>${exitName(name)}</option>`)}
          </select>`
      }
      <${Button} kind="primary" icon="play" action=${run}>${say("run.start")}<//>
    </div>
    ${since.value > 0 && html`<${Running} since=${since.value} />`}
    ${found.value && html`<${ProofResult} found=${found.value} />`}
  </section>`;
}
