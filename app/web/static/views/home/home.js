/** Home: the state to be read from across the room, this device, and what is open. */

import { useTitle } from "../../components/title.js";
import { html } from "../../ui.js";
import { Alerts } from "./alerts.js";
import { Gateway } from "./gateway.js";
import { OpenExceptions } from "./open_exceptions.js";
import { Problems } from "./problems.js";
import { QuickSwitch } from "./quick_switch.js";
import { ThisDevice } from "./this_device.js";
import { Throughput } from "./throughput.js";
import { what } from "./words.js";

export function Home() {
  useTitle(what());
  return html`<div class="home">
    <${Gateway} />
    <${Problems} />
    <${Alerts} />
    <${OpenExceptions} />
    <${ThisDevice} />
    <${QuickSwitch} />
    <${Throughput} />
  </div>`;
}
