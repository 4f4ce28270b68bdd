/** What happened to a device and what was decided about it, the newest first; asked anew whenever it changes. */

import { get } from "../../../api/client.js";
import { Button } from "../../../components/button.js";
import { EmptyState } from "../../../components/empty_state.js";
import { useLoaded, Waiting } from "../../../components/loaded.js";
import { moment } from "../../../lib/time.js";
import { say } from "../../../messages/messages.js";
import { now } from "../../../store/clock.js";
import { locale } from "../../../store/preferences.js";
import { html, useRef, useSignal } from "../../../ui.js";
import { circumstance, happening } from "./happening_words.js";

/** @import { DeviceBody, DeviceRecord } from "../../../../types/api.d.ts" */

const PAGE = 20;

/** @param {DeviceBody} device How often it has changed: each event of the device, and of its exceptions, makes a new one. */
function useVersion(device) {
  const last = useRef({ device, version: 0 });
  if (last.current.device !== device) last.current = { device, version: last.current.version + 1 };
  return last.current.version;
}

/** @param {{ record: DeviceRecord }} props */
function Happening({ record }) {
  const more = circumstance(record);
  return html`<li class="row happening">
    <div class="grow">
      <p>${happening(record)}</p>
      ${more && html`<p class="hint">${more}</p>`}
    </div>
    <time class="hint" datetime=${new Date(record.time * 1000).toISOString()}>${moment(record.time, now.value, locale.value)}</time>
  </li>`;
}

/** @param {{ device: DeviceBody }} props */
export function DeviceHistory({ device }) {
  const shown = useSignal(PAGE);
  const version = useVersion(device);
  const loaded = useLoaded(
    () => get(`/api/devices/${device.mac}/history?limit=${shown.value}`),
    `${shown.value} ${version}`,
  );
  const more = () => {
    shown.value += PAGE;
  };
  const found = loaded.value;
  return html`<section class="card" aria-labelledby="device-history">
    <h2 id="device-history">${say("happening.title")}</h2>
    <${Waiting} loaded=${loaded} />
    ${found && found.history.length === 0 && html`<${EmptyState} icon="history" title=${say("happening.none")}>${say("happening.none_next")}<//>`}
    <ul class="rows">${found?.history.map((each) => html`<${Happening} key=${each.id} record=${each} />`)}</ul>
    ${found && found.next !== null && html`<div class="actions"><${Button} action=${more}>${say("happening.more")}<//></div>`}
  </section>`;
}
