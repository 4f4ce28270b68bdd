/** The traffic of the whole LAN just now. */

import { Icon } from "../../components/icon.js";
import { Sparkline } from "../../components/sparkline.js";
import { rate } from "../../lib/numbers.js";
import { say } from "../../messages/messages.js";
import { locale } from "../../store/preferences.js";
import { isStale } from "../../store/tone.js";
import { recentRates } from "../../store/traffic.js";
import { html } from "../../ui.js";

/** @import { Bytes } from "../../../types/api.d.ts" */

/** @param {{ way: keyof Bytes }} props */
function Way({ way }) {
  const values = recentRates.value.map((each) => each.total[way]);
  return html`<div class="way" data-way=${way}>
    <p><${Icon} icon=${WAYS[way].icon} />${say(way === "down" ? "traffic.down" : "traffic.up")}</p>
    <p class="figure">${rate(values.at(-1) ?? 0, locale.value)}</p>
    <${Sparkline} values=${values} />
  </div>`;
}

const WAYS = { down: { icon: "arrow-down" }, up: { icon: "arrow-up" } };

export function Throughput() {
  return html`<section class="card throughput" aria-labelledby="throughput" data-stale=${isStale()}>
    <h2 id="throughput">${say("traffic.title")}</h2>
    <div class="ways"><${Way} way="down" /><${Way} way="up" /></div>
  </section>`;
}
