/** Files, zips, pictures and pastes: what the gateway finds in each comes before anything is saved. */

import { call, get } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { say } from "../../messages/messages.js";
import { inTurn } from "../../store/in_turn.js";
import { tell } from "../../store/toasts.js";
import { html, useSignal, useState } from "../../ui.js";
import { Added } from "./added.js";
import { CandidateCard } from "./candidate_card.js";
import { add, check, read } from "./candidates.js";
import { DropZone } from "./drop_zone.js";
import { Paste } from "./paste.js";
import { isPicture, textOf } from "./pictures.js";
import { Scan } from "./scan.js";

/** @import { Candidate, Finding } from "./candidates.js" */

/** The names of the imported servers that there are. */
async function imported() {
  const { servers } = await get("/api/servers?provider=imported");
  const cities = Object.values(servers).flatMap((country) => Object.values(country));
  return new Set(cities.flat().map((each) => each.hostname));
}

/** @param {Candidate} candidate */
const isUsable = ({ findings }) => findings.some((found) => !found.problem);

/** @param {{ changed?: () => Promise<unknown>; children?: unknown }} props `changed` once servers are added; the children follow what was added. */
export function FromFiles({ changed = async () => {}, children }) {
  /** @type {import("../../vendor/signals.js").Signal<Candidate[]>} */
  const candidates = useSignal(/** @type {Candidate[]} */ ([]));
  /** @type {import("../../vendor/signals.js").Signal<Finding[]>} */
  const added = useSignal(/** @type {Finding[]} */ ([]));
  const checking = useSignal(0);
  const number = useSignal(0);
  const [turn] = useState(inTurn); // of the checks of names, and of what is added under them

  function nextId() {
    number.value += 1;
    return number.value;
  }
  async function take(/** @type {File[]} */ files) {
    checking.value += 1;
    try {
      for (const file of files) {
        const candidate = isPicture(file) ? await picture(file) : await read(file, nextId());
        if (candidate) candidates.value = [...candidates.value, candidate];
      }
    } finally {
      checking.value -= 1;
    }
  }
  async function picture(/** @type {File} */ file) {
    const text = await textOf(file);
    if (text === null) tell(say("adding.no_code", { file: file.name }), { bad: true });
    else return paste(text, file.name.replace(/\.\w+$/, ""));
    return null;
  }
  const paste = (/** @type {string} */ config, /** @type {string} */ file) =>
    check({ id: nextId(), file, config, archive: null, name: null, findings: [] });
  async function pasted(/** @type {string} */ config, /** @type {string} */ name) {
    const candidate = await paste(config, name);
    candidates.value = [...candidates.value, candidate];
  }
  const candidateOf = (/** @type {number} */ id) => candidates.value.find((each) => each.id === id);
  function change(/** @type {number} */ id, /** @type {Partial<Candidate>} */ parts) {
    candidates.value = candidates.value.map((each) => (each.id === id ? { ...each, ...parts } : each));
  }
  function drop(/** @type {number} */ id) {
    candidates.value = candidates.value.filter((each) => each.id !== id);
  }
  /** A name counts as soon as it is given; what the gateway says of it follows. */
  async function rename(/** @type {number} */ id, /** @type {string} */ name) {
    change(id, { name: name || null });
    turn(() => checkAgain(id));
  }
  async function checkAgain(/** @type {number} */ id) {
    const candidate = candidateOf(id);
    if (!candidate) return;
    const { findings } = await check(candidate);
    if (candidateOf(id)?.name === candidate.name) change(id, { findings });
  }

  /** What stands there as the button is pressed is added, once each name that was given by then is checked. */
  function save() {
    const ids = candidates.value.map(({ id }) => id);
    return turn(() => addAll(ids));
  }
  async function addAll(/** @type {number[]} */ ids) {
    const before = await imported();
    /** @type {Finding[]} */
    const results = [];
    for (const id of ids) {
      const candidate = candidateOf(id); // undefined: left out meanwhile
      if (!candidate || !isUsable(candidate)) continue;
      const found = await add(candidate);
      results.push(...found);
      if (found.every((each) => each.problem)) change(id, { findings: found });
      else drop(id);
    }
    const done = results.filter((each) => !each.problem);
    if (!done.length) return;
    await changed();
    added.value = [...done, ...added.value];
    const fresh = done.filter((each) => !before.has(each.name)); // one that was there already is not taken away
    tell(say("adding.added", { count: done.length }), { undo: fresh.length ? () => undo(fresh) : null });
  }
  async function undo(/** @type {Finding[]} */ done) {
    for (const { name } of done) await call("DELETE", `/api/custom/remove/${encodeURIComponent(name)}`);
    added.value = added.value.filter((each) => !done.includes(each));
  }
  const servers = candidates.value.flatMap(({ findings }) => findings.filter((found) => !found.problem));

  return html`<section class="card">
      <h2>${say("adding.files")}</h2>
      <p class="hint">${say("adding.files_what")}</p>
      <${DropZone} take=${take} />
      <${Scan} seen=${(/** @type {string} */ text) => pasted(text, say("adding.scanned_name"))} />
      <${Paste} pasted=${pasted} />
    </section>
    <p class="visually-hidden" role="status">${checking.value ? say("adding.checking") : candidates.value.length ? say("adding.checked", { count: servers.length }) : ""}</p>
    ${checking.value > 0 && html`<p class="hint">${say("adding.checking")}</p>`}
    ${
      candidates.value.length > 0 &&
      html`<section class="card" aria-label=${say("adding.found")}>
        <h2>${say("adding.found")}</h2>
        <p class="hint">${say("adding.not_yet")}</p>
        <ul class="rows">
          ${candidates.value.map((each) => html`<${CandidateCard} key=${each.id} candidate=${each} rename=${(/** @type {string} */ name) => rename(each.id, name)} drop=${() => drop(each.id)} />`)}
        </ul>
        ${servers.length > 0 && html`<p><${Button} kind="primary" icon="plus" action=${save}>${say("adding.add", { count: servers.length })}<//></p>`}
      </section>`
    }
    ${added.value.length > 0 && html`<${Added} added=${added.value} changed=${changed}>${children}<//>`}`;
}
