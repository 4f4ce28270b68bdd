/** The changes of server by the clock: each as a sentence, and a form for one more. */

import { ApiError } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { Days, daysInWords } from "../../components/days.js";
import { Form } from "../../components/form.js";
import { Icon } from "../../components/icon.js";
import { clock, DAYS, daysOf, minutesOf } from "../../lib/schedule.js";
import { say } from "../../messages/messages.js";
import { changeExit } from "../../store/exit_actions.js";
import { preferences } from "../../store/gateway.js";
import { targetName } from "../../store/names.js";
import { locale } from "../../store/preferences.js";
import { html, useId, useSignal } from "../../ui.js";
import { ChoiceDialog } from "../servers/choice_dialog.js";
import { providerOf } from "./words.js";

/** @import { ExitBody, ServerChange } from "../../../types/api.d.ts" */

const RANDOM = "random";

/** @param {ServerChange} change */
const sentenceOf = ({ at, days = DAYS, select = RANDOM }) =>
  say("changes.entry", { days: daysInWords(days), time: clock(at, locale.value), server: targetName(select) });

/** @param {Record<string, string>} values Of the form. @returns {ServerChange} */
function changeOf(values) {
  const [at, days] = [minutesOf(values.at ?? ""), daysOf(values)];
  if (at === null) throw new ApiError("", { code: "missing_field", field: "at" });
  if (!days.length) throw new ApiError("", { code: "no_days" });
  return { at, days, select: values.select ?? RANDOM };
}

/** @param {{ exit: ExitBody }} props The field for the server: any, the fastest, or one that the reader chooses. */
function ServerField({ exit }) {
  const id = useId();
  const asked = useSignal(false);
  const select = useSignal(RANDOM);
  const close = () => {
    asked.value = false;
  };
  async function choose(/** @type {string} */ target) {
    select.value = target;
    close();
  }
  const known = [...new Set([RANDOM, "fastest", select.value])];
  return html`<div class="field">
      <label for=${id}>${say("changes.to")}</label>
      <select
        class="menu"
        id=${id}
        name="select"
        value=${select.value}
        onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ { currentTarget }) => {
          select.value = currentTarget.value;
        }}
      >
        ${known.map((each) => html`<option key=${each} value=${each} selected=${each === select.value}>${targetName(each)}</option>`)}
      </select>
    </div>
    <div class="actions">
      <${Button} icon="list" action=${() => {
        asked.value = true;
      }}>${say("changes.choose")}<//>
    </div>
    ${
      asked.value &&
      html`<${ChoiceDialog} title=${say("changes.to")} provider=${providerOf(exit)} ofProvider choose=${choose} close=${close} />`
    }`;
}

/** @param {{ exit: ExitBody }} props */
export function ServerChanges({ exit }) {
  const adding = useSignal(false);
  const toggle = () => {
    adding.value = !adding.value;
  };
  const changes = exit.server_changes;
  const set = (/** @type {(present: ServerChange[]) => ServerChange[]} */ change) =>
    changeExit(exit, (present) => ({ server_changes: change(present.server_changes) }));
  async function add(/** @type {Record<string, string>} */ values) {
    const added = changeOf(values);
    await set((present) => [...present, added]);
    adding.value = false;
  }
  const fields = [{ name: "at", label: say("changes.at"), type: "time", value: "04:00" }];
  return html`<section class="card schedule" aria-labelledby="changes">
    <h2 id="changes">${say("changes.title")}</h2>
    <p class="hint">${say("changes.what", { zone: preferences.value?.time_zone ?? "" })}</p>
    <ul class="rows">
      ${changes.map(
        (change) =>
          html`<li class="row" key=${sentenceOf(change)}>
            <${Icon} icon="calendar-clock" />
            <p class="grow">${sentenceOf(change)}</p>
            <${Button}
              icon="trash-2"
              label=${say("action.remove_label", { name: sentenceOf(change) })}
              action=${() => set((present) => present.filter((other) => sentenceOf(other) !== sentenceOf(change)))}
            />
          </li>`,
      )}
    </ul>
    ${
      adding.value
        ? html`<div class="adding" role="group" aria-label=${say("changes.add")}>
            <${Form} fields=${fields} submit=${say("changes.add")} send=${add}>
              <${Days} chosen=${DAYS} />
              <${ServerField} exit=${exit} />
            <//>
            <${Button} action=${toggle}>${say("action.cancel")}<//>
          </div>`
        : html`<${Button} icon="plus" action=${toggle}>${say("changes.add")}<//>`
    }
  </section>`;
}
