/** A server: one press chooses it; its figures, its features, and whether it is a favourite. */

import { Button } from "../../components/button.js";
import { Icon } from "../../components/icon.js";
import { NOWHERE } from "../../lib/servers.js";
import { say, sayCode } from "../../messages/messages.js";
import { agreed } from "../../store/confirmation.js";
import { removeServer, setFavourite } from "../../store/exit_actions.js";
import { html } from "../../ui.js";

/** @import { ServerBody } from "../../../types/api.d.ts" */
/** @import { Placed } from "../../lib/servers.js" */

const OWN = new Set(["custom", "imported"]);
const BUSY = 75; // percent of load from which it is told in colour too

/** @param {ServerBody} server */
function Chips({ owned, load, features }) {
  const busy = load !== null && load >= BUSY;
  return html`${load !== null && html`<span class=${busy ? "chip busy" : "chip"}>${say("servers.load", { load: Math.round(load) })}</span>`}
    ${owned && html`<span class="chip">${say("servers.owned")}</span>`}
    ${features.map((each) => html`<span key=${each} class="chip">${featureName(each)}</span>`)}`;
}

/** @param {string} feature */
export const featureName = (feature) => sayCode("feature", feature) ?? feature;

/** @param {string} server */
async function askToRemove(server) {
  const [title, what] = [say("servers.remove", { server }), say("servers.remove_what")];
  if (await agreed(title, what, say("servers.remove_verb"))) await removeServer(server);
}

/**
 * @param {{
 *   provider: string;
 *   placed: Placed;
 *   deep: boolean;
 *   used: boolean;
 *   favourite: boolean;
 *   choose: (target: string) => Promise<unknown>;
 * }} props
 */
export function ServerRow({ provider, placed: { server, city, countryName, country }, deep, used, favourite, choose }) {
  const { hostname, latency, missing } = server;
  const place = [city, !deep && countryName]
    .filter((each) => each && each !== NOWHERE && country !== NOWHERE)
    .join(", ");
  const details = [
    place,
    latency !== null && say("servers.latency", { time: Math.round(latency) }),
    missing.length > 0 && say("servers.incomplete"),
  ].filter(Boolean);
  const star = say("servers.favourite", { server: hostname });
  return html`<div class=${deep ? "choice deep" : "choice"} data-used=${used}>
    <${Button} kind="pick" action=${() => choose(hostname)}>
      <span class="pick-name">${hostname}${used && html` <span class="chip used"><${Icon} icon="check" />${say("servers.used")}</span>`}</span>
      <span class="pick-details"><span>${details.join(" · ")}</span><${Chips} ...${server} /></span>
    <//>
    ${OWN.has(provider) && !used && html`<${Button} icon="trash-2" label=${say("servers.remove", { server: hostname })} action=${() => askToRemove(hostname)} />`}
    <${Button} icon="star" pressed=${favourite} label=${star} action=${() => setFavourite(provider, hostname, !favourite)} />
  </div>`;
}
