/** What the device may decide for itself without the admin's password. */

import { ApiError, get } from "../../../api/client.js";
import { Choice } from "../../../components/choice.js";
import { Tick } from "../../../components/tick.js";
import { span } from "../../../lib/time.js";
import { say } from "../../../messages/messages.js";
import { setSelfService } from "../../../store/device_actions.js";
import { exits } from "../../../store/gateway.js";
import { inTurn } from "../../../store/in_turn.js";
import { deviceName, exitName } from "../../../store/names.js";
import { unlessCancelled } from "../../../store/password.js";
import { locale } from "../../../store/preferences.js";
import { exitsAmong, withExit } from "../../../store/self_service.js";
import { tell } from "../../../store/toasts.js";
import { html, useEffect, useState } from "../../../ui.js";

/** @import { DeviceBody, SelfService, SelfServiceBody } from "../../../../types/api.d.ts" */
/** @typedef {SelfService["allow"] | "default"} Allow */

const PAUSES = [900, 1800, 3600, 4 * 3600]; // seconds

/** @param {Allow} allow */
function wordsOf(allow) {
  if (allow === "all") return say("self.all");
  if (allow === "exit") return say("self.exit");
  if (allow === "pause") return say("self.pause");
  return say("self.off");
}

/** @param {{ device: DeviceBody }} props */
export function SelfServiceChoice({ device }) {
  const [turn] = useState(inTurn);
  const [known, setKnown] = useState(/** @type {SelfServiceBody | null} */ (null));
  const load = () =>
    get("/api/self-service").then(setKnown, (error) => {
      if (!(error instanceof ApiError)) throw error;
    });
  useEffect(() => void load(), [device]);
  if (!known) return null;

  const own = known.devices[device.mac] ?? null;
  const send = async (/** @type {SelfService | null} */ wanted) => {
    await setSelfService(device, wanted ?? { allow: "default" });
    await load();
  };
  /** What it may is sent whole: each change is made to what the gateway has, after the one before it. */
  const change = (/** @type {(present: SelfService) => SelfService | null} */ wanted) =>
    turn(async () => {
      const { everybody, devices } = await get("/api/self-service");
      const before = devices[device.mac] ?? null;
      await send(wanted(before ?? everybody));
      const undo = () => unlessCancelled(() => turn(() => send(before)));
      tell(say("self.changed", { device: deviceName(device) }), { undo });
    });
  const decide = (/** @type {Allow} */ allow) =>
    change((present) => (allow === "default" ? null : { ...present, allow }));
  const allowExit = (/** @type {string} */ name, /** @type {boolean} */ on) =>
    change((present) => ({ ...present, exits: withExit(present, name, on) }));
  const options = [
    ["default", say("self.default", { what: wordsOf(known.everybody.allow) })],
    .../** @type {const} */ (["off", "pause", "exit", "all"]).map((each) => [each, wordsOf(each)]),
  ];
  return html`<section class="card form" aria-labelledby="self-service">
    <h2 id="self-service">${say("self.title")}</h2>
    <${Choice} label=${say("self.label")} hint=${say("self.hint")} value=${own?.allow ?? "default"} options=${options} save=${decide} />
    ${
      own &&
      (own.allow === "pause" || own.allow === "all") &&
      html`<${Choice}
        label=${say("self.longest")}
        value=${String(own.longest_pause)}
        options=${[...new Set([...PAUSES, own.longest_pause])]
          .sort((a, b) => a - b)
          .map((each) => [String(each), span(each, locale.value)])}
        save=${(/** @type {string} */ seconds) => change((present) => ({ ...present, longest_pause: Number(seconds) }))}
      />`
    }
    ${
      own &&
      (own.allow === "exit" || own.allow === "all") &&
      html`<fieldset class="ticks">
        <legend>${say("self.exits")}</legend>
        ${exits.value.map(
          ({ name }) =>
            html`<${Tick}
              key=${name}
              label=${exitName(name)}
              checked=${exitsAmong(own).includes(name)}
              save=${(/** @type {boolean} */ on) => allowExit(name, on)}
            />`,
        )}
      </fieldset>`
    }
  </section>`;
}
