/** The proof from this device: the browser sends probes, and the gateway tells where it has seen them. */

import { sentenceOf } from "../../api/errors.js";
import { Button } from "../../components/button.js";
import { Icon } from "../../components/icon.js";
import { Verdict } from "../../components/verdict.js";
import { say } from "../../messages/messages.js";
import { html, useEffect, useSignal } from "../../ui.js";
import { Results } from "./results.js";
import { prove } from "./run.js";
import { verdictOf } from "./words.js";

/** @import { Proof } from "../../../types/api.d.ts" */

/** @returns {import("./words.js").Verdict} */
const beginning = () => ({ outcome: "idle", title: say("proof.title"), text: say("proof.what") });

export function ProofPage() {
  const verdict = useSignal(beginning());
  const share = useSignal(0);
  /** @type {import("../../vendor/signals.js").Signal<{ proof: Proof; time: Date } | null>} */
  const found = useSignal(null);
  const { outcome, title, text } = verdict.value;

  useEffect(() => {
    document.title = `${say("proof.title")} · ${say("app.name")}`;
  }, []);

  async function run() {
    verdict.value = { outcome: "watching", title: say("proof.watching"), text: say("proof.watching_text") };
    found.value = null;
    share.value = 0;
    try {
      const proof = await prove((over) => {
        share.value = over;
      });
      verdict.value = verdictOf(proof);
      found.value = { proof, time: new Date() };
    } catch (error) {
      verdict.value = { outcome: "unclear", title: say("proof.failed"), text: sentenceOf(error) };
    }
  }

  return html`<div class="frame proof-page">
    <header><a class="brand" href="/"><${Icon} icon="house" />${say("app.name")}</a></header>
    <main>
      <section id="proof" class="card hero" data-state=${outcome} aria-labelledby="verdict">
        <${Verdict} outcome=${outcome} title=${title} text=${text} level=${1} />
        <div class="actions">
          <${Button} kind="primary" icon="play" action=${run}>${say(outcome === "idle" ? "proof.start" : "proof.again")}<//>
        </div>
        ${outcome === "watching" && html`<progress max="1" value=${share.value} aria-label=${say("proof.progress")} />`}
      </section>
      ${found.value && html`<${Results} proof=${found.value.proof} verdict=${verdict.value} time=${found.value.time} />`}
    </main>
  </div>`;
}
