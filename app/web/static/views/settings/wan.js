/** The network ports, and which one leads to the Internet. */

import { call, get } from "../../api/client.js";
import { sentence, wanWhy } from "../../api/errors.js";
import { Button } from "../../components/button.js";
import { Icon } from "../../components/icon.js";
import { useLoaded, Waiting } from "../../components/loaded.js";
import { say } from "../../messages/messages.js";
import { agreed } from "../../store/confirmation.js";
import { status } from "../../store/gateway.js";
import { tell } from "../../store/toasts.js";
import { html } from "../../ui.js";

/** @import { NetworkPort } from "../../../types/api.d.ts" */

const RADIO = { icon: "wifi" };
const WIRED = { icon: "ethernet-port" };
const ROLES = /** @type {const} */ ({
  wan: "network.role_wan",
  lan: "network.role_lan",
  modem: "network.role_modem",
  none: "network.role_none",
});

/** @param {NetworkPort} port */
const about = ({ role, carrier, radio, driver, usb, mac }) =>
  [say(ROLES[role]), !radio && say(carrier ? "network.cable" : "network.no_cable"), driver, usb, mac]
    .filter(Boolean)
    .join(" · ");

export function WanCard() {
  const key = JSON.stringify([status.value?.ports, status.value?.wan_choice, status.value?.wan_problem]);
  const loaded = useLoaded(() => get("/api/wan"), key);
  const wan = loaded.value;

  async function choose(/** @type {string | null} */ port) {
    const what = say(port ? "network.wan_change_what" : "network.wan_auto_what");
    const name = port ?? say("network.wan_auto");
    if (!(await agreed(say("network.wan_change", { port: name }), what, say("network.wan_do")))) return;
    const answer = await call("PUT", "/api/wan", { port });
    tell(answer.interface ? say("network.wan_is", { port: answer.interface }) : say("network.wan_none"));
    await loaded.reload();
  }

  return html`<section class="card">
    <h2>${say("network.wan")}</h2>
    <p class="hint">${say("network.wan_what")}</p>
    <${Waiting} loaded=${loaded} />
    ${wan?.problem && html`<p class="banner bad">${wanWhy(wan.problem)}</p><p class="hint" lang="en">${sentence(wan.problem.message)}</p>`}
    ${wan?.fixed_by && html`<p class="hint">${say("network.wan_fixed", { key: wan.fixed_by })}</p>`}
    <ul class="rows">
      ${wan?.ports.map(
        (port) =>
          html`<li class="row" key=${port.name}>
            <${Icon} icon=${(port.radio ? RADIO : WIRED).icon} />
            <div class="grow"><p class="row-title">${port.name}</p><p class="hint">${about(port)}</p></div>
            ${!port.radio && port.role !== "wan" && !wan.fixed_by && html`<${Button} label=${say("network.wan_use", { port: port.name })} action=${() => choose(port.name)}>${say("network.wan_short")}<//>`}
          </li>`,
      )}
    </ul>
    ${wan?.port && !wan.fixed_by && html`<p><${Button} action=${() => choose(null)}>${say("network.wan_auto")}<//></p>`}
  </section>`;
}
