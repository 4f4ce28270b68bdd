/** Protection: the kill switch in words, what it has stopped, what is open, and the proof of it. */

import { say } from "../../messages/messages.js";
import { refreshCanary } from "../../store/canary.js";
import { refreshStatus } from "../../store/gateway.js";
import { html, useEffect } from "../../ui.js";
import { Alerts } from "./alerts.js";
import { CanaryRounds } from "./canary_rounds.js";
import { Exceptions } from "./exceptions.js";
import { KillSwitch } from "./kill_switch.js";
import { PhoneProof } from "./phone_proof.js";
import { Promises } from "./promises.js";
import { RunProof } from "./run_proof.js";
import { Stopped } from "./stopped.js";

const PERIOD = 5000; // milliseconds between two looks at what no event tells

function askAnew() {
  if (document.visibilityState !== "visible") return;
  refreshStatus();
  refreshCanary();
}

export function Protection() {
  useEffect(() => {
    askAnew();
    const timer = setInterval(askAnew, PERIOD);
    return () => clearInterval(timer);
  }, []);
  return html`<div class="protection">
    <h1 tabindex="-1">${say("place.protection")}</h1>
    <${KillSwitch} />
    <${Alerts} />
    <${Exceptions} />
    <${RunProof} />
    <${PhoneProof} />
    <${Stopped} />
    <${CanaryRounds} />
    <${Promises} />
  </div>`;
}
