/** One transition of an exit: what it became, why, after how long, and what had gone through. */

import { bytes } from "../../lib/numbers.js";
import { moment, span } from "../../lib/time.js";
import { say, sayCode } from "../../messages/messages.js";
import { now } from "../../store/clock.js";
import { exitName } from "../../store/names.js";
import { locale } from "../../store/preferences.js";
import { html } from "../../ui.js";

/** @import { Transition } from "../../../types/api.d.ts" */

/** @param {{ record: Transition }} props */
export function HistoryRow({ record }) {
  const where = record.previous_server ? `${record.previous_server} → ${record.server}` : record.server;
  const lasted = record.before === "connected" && record.duration !== null && record.duration >= 1;
  const notes = [
    sayCode("past", record.cause) ?? record.message,
    lasted && say("statistics.after", { span: span(record.duration ?? 0, locale.value) }),
    record.down !== null &&
      record.up !== null &&
      say("statistics.sum", { down: bytes(record.down, locale.value), up: bytes(record.up, locale.value) }),
  ];
  return html`<li class="row history" data-state=${record.after}>
    <div class="grow">
      <p class="row-title">${[sayCode("tunnel", record.after) ?? record.after, where].filter(Boolean).join(" · ")}</p>
      <p class="hint">${[record.exit !== "default" && exitName(record.exit), ...notes].filter(Boolean).join(" · ")}</p>
    </div>
    <time class="hint" datetime=${new Date(record.time * 1000).toISOString()}>${moment(record.time, now.value, locale.value)}</time>
  </li>`;
}
