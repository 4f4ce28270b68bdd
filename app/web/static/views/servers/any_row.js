/** The fastest server, or any, of all or of the place that the search has come down to. */

import { Button } from "../../components/button.js";
import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { html } from "../../ui.js";

/** @import { Item, Placed } from "../../lib/servers.js" */

const ICONS = { fastest: { icon: "zap" }, random: { icon: "shuffle" } };

/** @param {Placed | null} best */
function measured(best) {
  if (best === null || best.server.latency === null) return say("servers.not_measured");
  return say("servers.measured", { server: best.server.hostname, time: Math.round(best.server.latency) });
}

/** @param {{ item: Item & { kind: "any" }; choose: (target: string) => Promise<unknown> }} props */
export function AnyRow({ item: { how, target, place, best }, choose }) {
  const name = how === "fastest" ? say("target.fastest") : say("target.random");
  const placed =
    place && (how === "fastest" ? say("target.fastest_in", { place }) : say("target.random_in", { place }));
  return html`<div class="choice any">
    <${Button} kind="pick" action=${() => choose(target)}>
      <${Icon} icon=${ICONS[how].icon} />
      <span class="pick-name">${placed || name}</span>
      <span class="pick-details">${how === "fastest" ? measured(best) : say("servers.random_why")}</span>
    <//>
  </div>`;
}
