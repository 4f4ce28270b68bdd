/** The gateway's state with its facts, and the one button that fits it. */

import { Button } from "../../components/button.js";
import { Icon } from "../../components/icon.js";
import { StateBadge } from "../../components/state_badge.js";
import { ago, moment } from "../../lib/time.js";
import { say } from "../../messages/messages.js";
import { connect, disconnect } from "../../store/actions.js";
import { now } from "../../store/clock.js";
import { lastHeard, link } from "../../store/connection.js";
import { preferences, state, status } from "../../store/gateway.js";
import { locale } from "../../store/preferences.js";
import { isStale } from "../../store/tone.js";
import { html } from "../../ui.js";
import { next, what, why } from "./words.js";

/** @import { StatusBody } from "../../../types/api.d.ts" */

/** @param {{ status: StatusBody }} props */
function Facts({ status: shown }) {
  const rows = [
    [say("fact.place"), shown.location],
    [say("fact.server"), shown.server ?? shown.target],
    [say("fact.address"), shown.ip],
    [say("fact.since"), shown.since && moment(shown.since, now.value, locale.value)],
  ].filter(([, value]) => value);
  if (!rows.length) return null;
  return html`<dl class="facts">
    ${rows.map(([term, value]) => html`<div key=${term}><dt>${term}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

/** @param {{ status: StatusBody }} props */
function Control({ status: shown }) {
  if (shown.state === "disconnected" || shown.state === "disconnecting") {
    const last = preferences.value?.recent[0] ?? shown.target ?? "fastest";
    return html`<${Button} kind="primary" icon="power" verb="connect" action=${() => connect(last)}>${say("action.connect")}<//>`;
  }
  const text = shown.connected ? say("action.disconnect") : say("action.stop");
  return html`<${Button} icon="power" verb="disconnect" action=${disconnect}>${text}<//>`;
}

export function Gateway() {
  const shown = status.value;
  const known = !isStale();
  const age = lastHeard.value ? ago(lastHeard.value, now.value, locale.value) : "";
  return html`<section class="card hero" data-state=${state.value} aria-label=${say("home.gateway")}>
    <${StateBadge} state=${state.value} what=${what()} why=${why()} next=${next()} level=${1} />
    ${shown?.switching_to && known && html`<p class="hint">${say("home.switching", { server: shown.switching_to })}</p>`}
    ${shown && (shown.connected || shown.state === "blocked") && html`<${Facts} status=${shown} />`}
    ${link.value !== "live" && shown && age && html`<p class="hint">${say("home.last_heard", { ago: age })}</p>`}
    ${
      known &&
      shown &&
      html`<div class="actions">
        ${shown.wan_problem && !shown.wan_choice.fixed_by && html`<a class="button" href="/settings/network" data-view><${Icon} icon="ethernet-port" />${say("home.choose_port")}</a>`}
        <${Control} status=${shown} />
      </div>`
    }
  </section>`;
}
