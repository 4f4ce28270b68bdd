/** What devices may decide for themselves, without the admin's password. */

import { call, get } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { Choice } from "../../components/choice.js";
import { useLoaded, Waiting } from "../../components/loaded.js";
import { Toggle } from "../../components/toggle.js";
import { say } from "../../messages/messages.js";
import { exits } from "../../store/gateway.js";
import { inTurn } from "../../store/in_turn.js";
import { exitName, nameOf } from "../../store/names.js";
import { confirmed, unlessCancelled } from "../../store/password.js";
import { exitsAmong, withExit } from "../../store/self_service.js";
import { tell } from "../../store/toasts.js";
import { html, useState } from "../../ui.js";

/** @import { SelfService } from "../../../types/api.d.ts" */

const LEAVES = /** @type {const} */ ({
  off: "network.self_off",
  exit: "network.self_exit",
  pause: "network.self_pause",
  all: "network.self_all",
});
const PAUSES = [900, 1800, 3600, 7200]; // seconds
const MINUTE = 60;

export function SelfServiceCard() {
  const loaded = useLoaded(() => get("/api/self-service"));
  const everybody = loaded.value?.everybody;
  const own = Object.entries(loaded.value?.devices ?? {});

  const [turn] = useState(inTurn);
  async function send(/** @type {SelfService} */ wanted) {
    await confirmed((confirmation) => call("PUT", "/api/self-service", { ...wanted, ...confirmation }));
    await loaded.reload();
  }
  /** What devices may is sent whole: each change is made to what the gateway has. */
  const make = (/** @type {(present: SelfService) => Partial<SelfService>} */ wanted) =>
    turn(async () => {
      const { everybody: present } = await get("/api/self-service");
      const parts = wanted(present);
      await send({ ...present, ...parts });
      const names = /** @type {(keyof SelfService)[]} */ (Object.keys(parts));
      return Object.fromEntries(names.map((name) => [name, present[name]]));
    });
  const change = (/** @type {(present: SelfService) => Partial<SelfService>} */ wanted) =>
    unlessCancelled(async () => {
      const back = await make(wanted);
      tell(say("settings.saved"), { undo: () => unlessCancelled(() => make(() => back)) });
    });
  const save = (/** @type {Partial<SelfService>} */ wanted) => change(() => wanted);
  async function follow(/** @type {string} */ mac) {
    await call("PUT", `/api/devices/${mac}/self-service`, { allow: "default" });
    await loaded.reload();
  }
  const among = exitsAmong(everybody);
  const allowExit = (/** @type {string} */ name, /** @type {boolean} */ on) =>
    change((present) => ({ exits: withExit(present, name, on) }));

  return html`<section class="card settings-list">
    <h2>${say("network.self")}</h2>
    <p class="hint">${say("network.self_what")}</p>
    <${Waiting} loaded=${loaded} />
    ${
      everybody &&
      html`<${Choice}
        label=${say("network.self_allow")}
        value=${everybody.allow}
        options=${Object.entries(LEAVES).map(([value, key]) => [value, say(key)])}
        save=${(/** @type {SelfService["allow"]} */ allow) => save({ allow })}
      />`
    }
    ${
      (everybody?.allow === "exit" || everybody?.allow === "all") &&
      html`<fieldset>
        <legend>${say("network.self_exits")}</legend>
        ${exits.value.map(({ name }) => html`<${Toggle} key=${name} label=${exitName(name)} checked=${among.includes(name)} save=${(/** @type {boolean} */ on) => allowExit(name, on)} />`)}
      </fieldset>`
    }
    ${
      (everybody?.allow === "pause" || everybody?.allow === "all") &&
      html`<${Choice}
        label=${say("network.self_longest")}
        value=${String(everybody.longest_pause)}
        options=${[...new Set([...PAUSES, everybody.longest_pause])]
          .sort((a, b) => a - b)
          .map((seconds) => [String(seconds), say("policy.minutes", { count: Math.round(seconds / MINUTE) })])}
        save=${(/** @type {string} */ seconds) => save({ longest_pause: Number(seconds) })}
      />`
    }
    ${
      own.length > 0 &&
      html`<h3>${say("network.self_own")}</h3>
        <ul class="rows">
          ${own.map(
            ([mac, { allow }]) =>
              html`<li class="row" key=${mac}>
                <div class="grow"><p class="row-title">${nameOf(mac)}</p><p class="hint">${say(LEAVES[allow])}</p></div>
                <${Button} action=${() => follow(mac)} label=${say("network.self_follow_label", { device: nameOf(mac) })}>${say("policy.inherit")}<//>
              </li>`,
          )}
        </ul>`
    }
  </section>`;
}
