/** What, why, what next: the state of the gateway in three lines, grey whenever it is not known to be so now. */

import { html } from "../ui.js";
import { Icon } from "./icon.js";

/** @import { State } from "../lib/state.js" */

/** @type {Record<State, { icon: string }>} */
const SHOWN = {
  protected: { icon: "shield-check" },
  open: { icon: "lock-open" },
  connecting: { icon: "loader-circle" },
  blocked: { icon: "shield-ban" },
  unconfirmed: { icon: "shield-alert" },
  waiting: { icon: "cloud-off" },
  lost: { icon: "cloud-off" },
  unavailable: { icon: "shield-question-mark" },
};

/** @param {{ state: State; what: string; why: string; next: string; level: 1 | 2 }} props */
export const StateBadge = ({ state, what, why, next, level }) =>
  html`<div class="state" data-state=${state}>
    <span class="emblem"><${Icon} icon=${SHOWN[state].icon} /></span>
    <div>
      <${`h${level}`} class="what" tabindex="-1">${what}<//>
      <p class="why">${why}</p>
      ${next && html`<p class="next">${next}</p>`}
    </div>
  </div>`;
