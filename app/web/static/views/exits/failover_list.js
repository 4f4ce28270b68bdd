/** What an exit uses, in order, where what was asked for does not answer. */

import { Button } from "../../components/button.js";
import { say } from "../../messages/messages.js";
import { changeExit } from "../../store/exit_actions.js";
import { providerName, targetName } from "../../store/names.js";
import { html, useSignal } from "../../ui.js";
import { ChoiceDialog } from "../servers/choice_dialog.js";
import { providerOf } from "./words.js";

/** @import { ExitBody, Fallback } from "../../../types/api.d.ts" */

/** @param {Fallback} a @param {Fallback} b */
const isSame = (a, b) => a.target === b.target && a.provider === b.provider;

/** @param {{ exit: ExitBody }} props */
export function FailoverList({ exit }) {
  const adding = useSignal(false);
  const show = (/** @type {boolean} */ shown) => {
    adding.value = shown;
  };
  const { fallbacks } = exit;
  const set = (/** @type {(present: Fallback[]) => Fallback[]} */ change) =>
    changeExit(exit, (present) => ({ fallbacks: change(present.fallbacks) }));
  async function add(/** @type {string} */ target, /** @type {string} */ provider) {
    const added = { target, provider: provider === providerOf(exit) ? null : provider };
    await set((present) => [...present, added]);
    show(false);
  }
  const up = (/** @type {Fallback} */ moved) =>
    set((present) => {
      const index = present.findIndex((each) => isSame(each, moved));
      if (index < 1) return present;
      return present
        .with(index - 1, /** @type {Fallback} */ (present[index]))
        .with(index, /** @type {Fallback} */ (present[index - 1]));
    });
  const nameOf = (/** @type {Fallback} */ { target, provider }) =>
    say("exits.by", { place: targetName(target), provider: providerName(provider ?? providerOf(exit)) });
  return html`<section class="card" aria-labelledby="failover">
    <h2 id="failover">${say("failover.title")}</h2>
    <p class="hint">${say(fallbacks.length ? "failover.what" : "failover.none")}</p>
    ${
      fallbacks.length > 0 &&
      html`<ol class="rows">
        ${fallbacks.map((each, index) => {
          const name = nameOf(each);
          return html`<li key=${name} class="row">
            <p class="row-title grow">${index + 1}. ${name}</p>
            ${index > 0 && html`<${Button} icon="arrow-up" label=${say("failover.up", { place: name })} action=${() => up(each)} />`}
            <${Button}
              icon="x"
              label=${say("failover.remove", { place: name })}
              action=${() => set((present) => present.filter((other) => !isSame(other, each)))}
            />
          </li>`;
        })}
      </ol>`
    }
    <div class="actions"><${Button} icon="plus" action=${() => show(true)}>${say("failover.add")}<//></div>
    ${
      adding.value &&
      html`<${ChoiceDialog} title=${say("failover.add")} provider=${providerOf(exit)} choose=${add} close=${() => show(false)} />`
    }
  </section>`;
}
