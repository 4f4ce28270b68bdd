/** The settings of an exit, each of which counts at once: where it goes, resolvers, MTU, what it never uses, names. */

import { Button } from "../../components/button.js";
import { LiveField } from "../../components/live_field.js";
import { Switch } from "../../components/switch.js";
import { say } from "../../messages/messages.js";
import { changeExit } from "../../store/exit_actions.js";
import { exitName, providerName, targetName } from "../../store/names.js";
import { exitStatus } from "../../store/tone.js";
import { html, useSignal } from "../../ui.js";
import { ChoiceDialog } from "../servers/choice_dialog.js";
import { providerOf } from "./words.js";

/** @import { ExitBody } from "../../../types/api.d.ts" */

/** @param {string} text Separated by commas or spaces. */
const parts = (text) => text.split(/[\s,;]+/).filter(Boolean);

/** @param {string} text Separated by commas: a country may have a space in it. */
const names = (text) =>
  text
    .split(/[,;]/)
    .map((each) => each.trim())
    .filter(Boolean);

/** @param {{ exit: ExitBody }} props */
export function ExitTarget({ exit }) {
  const asked = useSignal(false);
  const show = (/** @type {boolean} */ shown) => {
    asked.value = shown;
  };
  async function choose(/** @type {string} */ target, /** @type {string} */ provider) {
    await changeExit(exit, { target, provider });
    show(false);
  }
  const { target } = exit;
  const provider = providerName(providerOf(exit));
  const name = exitName(exit.name);
  return html`<section class="card" aria-labelledby="target">
    <h2 id="target">${say("start.title")}</h2>
    <div class="row wraps">
      <div class="grow">
        <p class="row-title">${target ? say("exits.by", { place: targetName(target), provider }) : say("start.none")}</p>
        <p class="hint">${say("start.what")}</p>
      </div>
      <${Button} action=${() => show(true)}>${say("start.choose")}<//>
      ${target && html`<${Button} action=${() => changeExit(exit, { target: null })}>${say("start.clear")}<//>`}
    </div>
    <div class="row">
      <div class="grow">
        <p class="row-title">${say("start.auto")}</p>
        <p class="hint">${say(exit.auto_connect ? "start.auto_on" : "start.auto_off")}</p>
      </div>
      <${Switch}
        label=${say("start.auto_label", { exit: name })}
        on=${exit.auto_connect}
        change=${(/** @type {boolean} */ on) => changeExit(exit, { auto_connect: on })}
      />
    </div>
    ${
      asked.value &&
      html`<${ChoiceDialog} title=${say("start.title")} provider=${providerOf(exit)} choose=${choose} close=${() => show(false)} />`
    }
  </section>`;
}

/** @param {ExitBody} exit What the MTU is now, and who chose it. */
function mtuHint({ name }) {
  const { mtu = null, mtu_origin = null } = exitStatus(name) ?? {};
  if (mtu === null) return say("mtu.what");
  const origin = mtu_origin === "found" ? say("mtu.found", { bytes: mtu }) : say("mtu.now", { bytes: mtu });
  return `${origin} ${say("mtu.what")}`;
}

/** @param {ExitBody} exit */
function resolverHint({ name }) {
  const { resolvers = [], dns_problem = null } = exitStatus(name) ?? {};
  if (dns_problem) return dns_problem;
  return resolvers.length ? say("resolver.now", { addresses: resolvers.join(", ") }) : say("resolver.what");
}

/** @param {{ exit: ExitBody }} props */
export const ExitNetwork = ({ exit }) =>
  html`<section class="card fields" aria-labelledby="network">
    <h2 id="network">${say("resolver.section")}</h2>
    <${LiveField}
      label=${say("resolver.title")}
      hint=${resolverHint(exit)}
      value=${exit.dns.join(", ")}
      save=${(/** @type {string} */ text) => changeExit(exit, { dns: parts(text) })}
    />
    <${LiveField}
      label=${say("mtu.title")}
      hint=${mtuHint(exit)}
      inputmode="numeric"
      value=${exit.mtu?.toString() ?? ""}
      save=${(/** @type {string} */ text) => changeExit(exit, { mtu: text ? Number(text) : null })}
    />
  </section>`;

/** @param {{ exit: ExitBody }} props */
export function ExitNever({ exit }) {
  const { countries = [], hosters = [], servers = [] } = exit.never;
  const set = (/** @type {import("../../../types/api.d.ts").Never} */ change) =>
    changeExit(exit, ({ never }) => ({ never: { ...never, ...change } }));
  return html`<section class="card fields" aria-labelledby="never">
    <h2 id="never">${say("never.title")}</h2>
    <p class="hint">${say("never.what")}</p>
    <${LiveField}
      label=${say("never.countries")}
      value=${countries.join(", ")}
      save=${(/** @type {string} */ text) => set({ countries: names(text) })}
    />
    <${LiveField}
      label=${say("never.hosters")}
      value=${hosters.join(", ")}
      save=${(/** @type {string} */ text) => set({ hosters: names(text) })}
    />
    <${LiveField}
      label=${say("never.servers")}
      value=${servers.join(", ")}
      save=${(/** @type {string} */ text) => set({ servers: names(text) })}
    />
  </section>`;
}

/** @param {{ exit: ExitBody }} props */
export const ExitNames = ({ exit }) =>
  html`<section class="card fields" aria-labelledby="names">
    <h2 id="names">${say("exits.names")}</h2>
    <${LiveField}
      label=${say("exits.label")}
      value=${exit.label ?? ""}
      placeholder=${exitName(exit.name)}
      save=${(/** @type {string} */ text) => changeExit(exit, { label: text || null })}
    />
    ${
      exit.name !== "default" &&
      html`<${LiveField}
        label=${say("exits.api_name")}
        hint=${say("exits.api_name_hint")}
        value=${exit.name}
        save=${(/** @type {string} */ text) => changeExit(exit, { name: text })}
      />`
    }
  </section>`;
