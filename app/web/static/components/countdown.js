/** The time left, second by second; a screen reader is told the end, not each second. */

import { countdown, moment } from "../lib/time.js";
import { say } from "../messages/messages.js";
import { now } from "../store/clock.js";
import { locale } from "../store/preferences.js";
import { html } from "../ui.js";

/** @param {{ until: number }} props Unix time */
export function Countdown({ until }) {
  const end = say("time.until", { time: moment(until, now.value, locale.value) });
  return html`<time class="countdown" datetime=${new Date(until * 1000).toISOString()}>
    <span aria-hidden="true">${countdown(until - now.value)}</span><span class="visually-hidden">${end}</span>
  </time>`;
}
