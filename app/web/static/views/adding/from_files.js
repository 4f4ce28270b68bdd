/** Files, zips, pictures and pastes: what the gateway finds in each comes before anything is saved. */

import { call, get } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { say } from "../../messages/messages.js";
import { tell } from "../../store/toasts.js";
import { html, useSignal } from "../../ui.js";
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

/** @param {{ changed?: () => Promise<unknown>; children?: unknown }} props `changed` once servers are added; the children follow what was added. */
export function FromFiles({ changed = async () => {}, children }) {
  /** @type {import("../../vendor/signals.js").Signal<Candidate[]>} */
  const candidates = useSignal(/** @type {Candidate[]} */ ([]));
  /** @type {import("../../vendor/signals.js").Signal<Finding[]>} */
  const added = useSignal(/** @type {Finding[]} */ ([]));
  const checking = useSignal(0);
  const number = useSignal(0);

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
    candidates.value = [...candidates.value, await paste(config, name)];
  }
  async function rename(/** @type {Candidate} */ candidate, /** @type {string} */ name) {
    const checked = await check({ ...candidate, name: name || null });
    candidates.value = candidates.value.map((each) => (each.id === candidate.id ? checked : each));
  }
  function drop(/** @type {Candidate} */ candidate) {
    candidates.value = candidates.value.filter((each) => each.id !== candidate.id);
  }
  const usable = candidates.value.filter((each) => each.findings.some((found) => !found.problem));
  const servers = usable.flatMap((each) => each.findings.filter((found) => !found.problem));

  async function save() {
    const before = await imported();
    /** @type {Finding[]} */
    const results = [];
    for (const candidate of usable) {
      const found = await add(candidate);
      results.push(...found);
      const failed = found.every((each) => each.problem);
      candidates.value = failed
        ? candidates.value.map((each) => (each.id === candidate.id ? { ...each, findings: found } : each))
        : candidates.value.filter((each) => each.id !== candidate.id);
    }
    await changed();
    const done = results.filter((each) => !each.problem);
    added.value = [...done, ...added.value];
    const fresh = done.filter((each) => !before.has(each.name)); // one that was there already is not taken away
    if (done.length)
      tell(say("adding.added", { count: done.length }), { undo: fresh.length ? () => undo(fresh) : null });
  }
  async function undo(/** @type {Finding[]} */ done) {
    for (const { name } of done) await call("DELETE", `/api/custom/remove/${encodeURIComponent(name)}`);
    added.value = added.value.filter((each) => !done.includes(each));
  }

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
          ${candidates.value.map((each) => html`<${CandidateCard} key=${each.id} candidate=${each} rename=${(/** @type {string} */ name) => rename(each, name)} drop=${() => drop(each)} />`)}
        </ul>
        ${servers.length > 0 && html`<p><${Button} kind="primary" icon="plus" action=${save}>${say("adding.add", { count: servers.length })}<//></p>`}
      </section>`
    }
    ${added.value.length > 0 && html`<${Added} added=${added.value} changed=${changed}>${children}<//>`}`;
}
