/** Home: the state to be read from across the room, this device, and what is open. */

import { html } from "../../ui.js";
import { Alerts } from "./alerts.js";
import { Gateway } from "./gateway.js";
import { OpenExceptions } from "./open_exceptions.js";
import { QuickSwitch } from "./quick_switch.js";
import { ThisDevice } from "./this_device.js";
import { Throughput } from "./throughput.js";

export const Home = () =>
  html`<div class="home">
    <${Gateway} />
    <${Alerts} />
    <${OpenExceptions} />
    <${ThisDevice} />
    <${QuickSwitch} />
    <${Throughput} />
  </div>`;
