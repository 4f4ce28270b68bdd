/** What was found in one file, before it is saved: the name that its server gets, what is left out, or what is wrong. */

import { Button } from "../../components/button.js";
import { Icon } from "../../components/icon.js";
import { LiveField } from "../../components/live_field.js";
import { say } from "../../messages/messages.js";
import { html } from "../../ui.js";

/** @import { Candidate, Finding } from "./candidates.js" */

/** @param {{ candidate: Candidate; rename: (name: string) => Promise<void>; drop: () => void }} props */
export function CandidateCard({ candidate, rename, drop }) {
  const { file, archive, findings } = candidate;
  const [only] = findings;
  const renamed = candidate.name !== null;
  // What the reader has called it, also before the gateway has said anything of that; "" where it may be given once more.
  const name = only?.problem && !only.name ? "" : (candidate.name ?? only?.name ?? "");
  return html`<li class="row candidate">
    <div class="grow">
      <p class="row-title">${file}</p>
      ${archive && html`<p class="hint">${say("adding.archive", { count: findings.filter((each) => !each.problem).length })}</p>`}
      ${!archive && only && (!only.problem || renamed) && html`<${LiveField} label=${say("adding.name")} value=${name} save=${rename} />`}
      <ul class="findings">${findings.map((found) => html`<${Findings} key=${found.file} found=${found} named=${archive !== null} />`)}</ul>
    </div>
    <${Button} icon="x" label=${say("adding.leave_out", { file })} action=${drop} />
  </li>`;
}

/** @param {{ found: Finding; named: boolean }} props `named`: it says which file of several it is about. */
function Findings({ found: { file, name, warnings, problem }, named }) {
  const whose = named ? `${problem ? file : name}: ` : "";
  if (problem)
    return html`<li class="error"><${Icon} icon="circle-x" />${whose}${problem.replace(/[^.!?]$/, "$&.")} ${say("adding.not_added")}</li>`;
  if (!warnings.length) return html`<li><${Icon} icon="circle-check" />${whose}${say("adding.fine")}</li>`;
  return warnings.map(
    (warning) => html`<li class="finding" key=${warning}><${Icon} icon="triangle-alert" />${whose}${warning}</li>`,
  );
}
