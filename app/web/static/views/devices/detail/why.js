/** Why the device has or has no Internet, in a sentence, with the next step. */

import { ApiError, get } from "../../../api/client.js";
import { Button } from "../../../components/button.js";
import { Countdown } from "../../../components/countdown.js";
import { say } from "../../../messages/messages.js";
import { changePolicy, end } from "../../../store/actions.js";
import { exceptions } from "../../../store/gateway.js";
import { unlessCancelled } from "../../../store/password.js";
import { exitStatus, isStale } from "../../../store/tone.js";
import { html, useEffect, useState } from "../../../ui.js";
import { because, causeOf, next, reasonsOf, what } from "./why_words.js";

/** @import { DeviceBody } from "../../../../types/api.d.ts" */
/** @import { Reasons } from "./why_words.js" */

/** @param {DeviceBody} device @returns {Reasons} Asked anew whenever the device or its exit changes. */
function useWhy(device) {
  const [why, setWhy] = useState(/** @type {Reasons | null} */ (null));
  const exit = exitStatus(device.exit ?? "default");
  useEffect(() => {
    let wanted = true;
    setWhy(null); // what was said before may be wrong now
    get(`/api/devices/${device.mac}/why`).then(
      (answer) => wanted && setWhy(answer),
      (error) => {
        if (!(error instanceof ApiError)) throw error;
      },
    );
    return () => {
      wanted = false;
    };
  }, [device, exit?.state, exit?.reason, isStale()]);
  return why ?? reasonsOf(device);
}

/** @param {{ device: DeviceBody; why: Reasons }} props The next step as a button, where it is one. */
function Step({ device, why }) {
  const exception = exceptions.value.find((each) => each.id === device.exception);
  if (exception) {
    return html`<${Button} verb="end" action=${() => unlessCancelled(() => end(exception))}>${say("exception.end")}<//>`;
  }
  if (why.state === "direct" || ["by_own", "by_group", "by_default", "no_such_exit"].includes(causeOf(why))) {
    return html`<${Button} verb="vpn" action=${() => changePolicy(device, "vpn")}>${say("why_device.give_vpn")}<//>`;
  }
  if (why.state === "blocked" && why.exit) {
    return html`<a class="button" href=${`/exits/${encodeURIComponent(why.exit)}`} data-view>${say("why_device.see_exit")}</a>`;
  }
  return null;
}

/** @param {{ device: DeviceBody }} props */
export function Why({ device }) {
  const why = useWhy(device);
  const step = next(why, device);
  return html`<p class="why"><strong>${what(why)}</strong> ${because(why, device)}</p>
    ${why.until !== null && html`<p class="hint"><${Countdown} until=${why.until} /></p>`}
    ${step && html`<p class="next">${step}</p>`}
    <div class="actions"><${Step} device=${device} why=${why} /></div>`;
}
