/** Where the servers are: a press on a city narrows the list to it. The list has all of it for those who see no map. */

import { frameOf, gridOf, spotsOf } from "../../lib/map.js";
import { say } from "../../messages/messages.js";
import { html } from "../../ui.js";

/** @import { Spot } from "../../lib/map.js" */
/** @import { Placed } from "../../lib/servers.js" */

const DESK = "(min-width: 60rem)"; // where it is wide and low, and open from the start

/** @param {{ servers: Placed[]; used: string | null; pick: (place: string) => void }} props */
export function ServerMap({ servers, used, pick }) {
  const spots = spotsOf(servers, used);
  if (spots.length < 2) return null;
  const desk = matchMedia(DESK).matches;
  const frame = frameOf(spots, desk ? 3 : 1.6);
  const unit = frame.width / 300;
  const spot = (/** @type {Spot} */ { key, name, x, y, count, used: here }) => {
    const radius = unit * Math.min(6, 1.6 + Math.sqrt(count) / 2);
    return html`<g key=${key} class=${here ? "spot here" : "spot"} onClick=${() => pick(name)}>
      <title>${`${name}: ${say("servers.count", { count })}`}</title>
      <circle class="reach" cx=${x} cy=${y} r=${radius + unit * 3} />
      <circle cx=${x} cy=${y} r=${radius} />
    </g>`;
  };
  return html`<details class="map" open=${desk}>
    <summary>${say("map.show")} <span class="hint">${say("map.what", { count: spots.length })}</span></summary>
    <svg viewBox=${`${frame.x} ${frame.y} ${frame.width} ${frame.height}`} aria-hidden="true">
      <path class="grid" d=${gridOf(frame)} />
      ${spots.map(spot)}
    </svg>
  </details>`;
}
