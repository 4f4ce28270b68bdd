/** One device: what it is and does, why it has or has no Internet, and all that can be decided about it. */

import { Button } from "../../../components/button.js";
import { EmptyState } from "../../../components/empty_state.js";
import { Icon } from "../../../components/icon.js";
import { PolicyMenu } from "../../../components/policy_menu.js";
import { ScheduleEditor } from "../../../components/schedule_editor.js";
import { useTitle } from "../../../components/title.js";
import { say } from "../../../messages/messages.js";
import { admit, changePolicy } from "../../../store/actions.js";
import { setSchedule } from "../../../store/device_actions.js";
import { devices } from "../../../store/gateway.js";
import { groups, refreshGroups } from "../../../store/groups.js";
import { deviceName } from "../../../store/names.js";
import { toneOf } from "../../../store/tone.js";
import { html, useEffect } from "../../../ui.js";
import { kindIcon } from "../kinds.js";
import { DeviceChart } from "./device_chart.js";
import { Facts } from "./facts.js";
import { Forget } from "./forget.js";
import { DeviceHistory } from "./history.js";
import { Identity } from "./identity.js";
import { SelfServiceChoice } from "./self_service.js";
import { WhatIf } from "./what_if.js";
import { Why } from "./why.js";

/** @import { ScheduleChange } from "../../../lib/schedule.js" */
/** @import { DeviceBody } from "../../../../types/api.d.ts" */

const Back = () =>
  html`<p><a class="back" href="/devices" data-view><${Icon} icon="arrow-left" />${say("device.back")}</a></p>`;

/** @param {{ device: DeviceBody }} props */
function Head({ device }) {
  const name = deviceName(device);
  return html`<section class="card device device-head" data-tone=${device.online ? toneOf(device.policy) : "stale"} aria-labelledby="device-name">
    <span class="emblem"><${Icon} icon=${kindIcon(device.kind)} /></span>
    <div class="grow">
      <h1 id="device-name" tabindex="-1">${name}</h1>
      <${Why} device=${device} />
    </div>
    ${
      device.admitted
        ? html`<${PolicyMenu}
            label=${say("devices.menu", { device: name })}
            policy=${device.policy}
            choose=${(/** @type {string} */ choice) => changePolicy(device, choice)}
          />`
        : html`<${Button} kind="primary" action=${() => admit(device)} label=${say("devices.admit_label", { device: name })}>
            ${say("devices.admit")}
          <//>`
    }
  </section>`;
}

/** @param {{ device: DeviceBody }} props */
function Sections({ device }) {
  const name = deviceName(device);
  return html`<${Head} device=${device} />
    <${Facts} device=${device} />
    <${DeviceChart} mac=${device.mac} />
    <${Identity} device=${device} />
    <section class="card" aria-labelledby="schedule">
      <h2 id="schedule">${say("schedule.title")}</h2>
      <${ScheduleEditor}
        schedule=${device.schedule}
        timeZone=${groups.value?.time_zone ?? null}
        who=${name}
        save=${(/** @type {ScheduleChange} */ change) => setSchedule(device, change)}
      />
    </section>
    <${SelfServiceChoice} device=${device} />
    <${WhatIf} device=${device} />
    <${DeviceHistory} device=${device} />
    <${Forget} device=${device} />`;
}

/** @param {{ mac: string }} props */
export function DeviceDetail({ mac }) {
  const device = devices.value?.find((each) => each.mac === mac.toLowerCase());
  useTitle(device ? deviceName(device) : say("place.devices"));
  useEffect(() => {
    refreshGroups();
  }, [devices.value]);
  return html`<div class="devices device-detail">
    <${Back} />
    ${
      device
        ? html`<${Sections} key=${device.mac} device=${device} />`
        : devices.value &&
          html`<h1 class="visually-hidden" tabindex="-1">${say("device.unknown")}</h1>
            <${EmptyState} icon="monitor-smartphone" title=${say("device.unknown")}>${say("device.unknown_next")}<//>`
    }
  </div>`;
}
