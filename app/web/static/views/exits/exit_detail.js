/** One exit: what it does now, where it goes, what else it may use, its settings, who uses it. */

import { EmptyState } from "../../components/empty_state.js";
import { Icon } from "../../components/icon.js";
import { useTitle } from "../../components/title.js";
import { say } from "../../messages/messages.js";
import { exits } from "../../store/gateway.js";
import { deviceName, exitName } from "../../store/names.js";
import { html } from "../../ui.js";
import { ExitFacts } from "./exit_facts.js";
import { ExitNames, ExitNetwork, ExitNever, ExitTarget } from "./exit_settings.js";
import { ExitSwitch } from "./exit_switch.js";
import { FailoverList } from "./failover_list.js";
import { RemoveExit } from "./remove_exit.js";
import { ServerChanges } from "./server_changes.js";
import { sentenceOf, stateOf, usersOf } from "./words.js";

/** @import { ExitBody } from "../../../types/api.d.ts" */

/** @param {{ exit: ExitBody }} props */
function Users({ exit }) {
  const users = usersOf(exit.name);
  return html`<section class="card" aria-labelledby="users">
    <h2 id="users">${users.length ? say("exits.devices", { count: users.length }) : say("exits.nobody")}</h2>
    ${exit.default_policy && html`<p class="hint">${say("exits.for_all")}</p>`}
    <ul class="links">
      ${users.map((each) => html`<li key=${each.mac}><a href=${`/devices/${each.mac}`} data-view>${deviceName(each)}</a></li>`)}
    </ul>
  </section>`;
}

/** @param {{ name: string }} props */
export function ExitDetail({ name }) {
  const exit = exits.value.find((each) => each.name === name);
  useTitle(exit ? exitName(name) : name);
  const back = html`<a class="back" href="/exits" data-view><${Icon} icon="arrow-left" />${say("place.exits")}</a>`;
  if (!exit) {
    return html`<div class="exits">
      ${back}
      <h1 tabindex="-1">${name}</h1>
      ${exits.value.length > 0 && html`<${EmptyState} icon="globe" title=${say("exits.gone")}>${say("exits.gone_next")}<//>`}
    </div>`;
  }
  const { tone, text, why } = stateOf(exit);
  return html`<div class="exits">
    ${back}
    <section class="card exit" data-tone=${tone} aria-label=${exitName(name)}>
      <div class="grow">
        <h1 tabindex="-1">${exitName(name)}</h1>
        <p>${sentenceOf(exit)}</p>
        <p class="exit-state">${text}</p>
        ${why && html`<p class="hint">${why}</p>`}
      </div>
      <${ExitSwitch} exit=${exit} />
      <div class="actions">
        <a class="button primary" href=${`/servers/${name}`} data-view><${Icon} icon="list" />${say("exits.choose")}</a>
      </div>
    </section>
    <${ExitFacts} name=${name} />
    <${FailoverList} exit=${exit} />
    <${ExitTarget} exit=${exit} />
    <${ServerChanges} exit=${exit} />
    <${ExitNetwork} exit=${exit} />
    <${ExitNever} exit=${exit} />
    <${ExitNames} exit=${exit} />
    <${Users} exit=${exit} />
    ${name !== "default" && html`<div class="actions"><${RemoveExit} exit=${exit} /></div>`}
  </div>`;
}
