/** The menu for how far back a chart goes, as the API writes it. */

import { say } from "../messages/messages.js";
import { html } from "../ui.js";
import { Choice } from "./choice.js";

/** @type {() => [string, string][]} */
const ranges = () => [
  ["1h", say("statistics.hour")],
  ["24h", say("statistics.day")],
  ["7d", say("statistics.week")],
  ["30d", say("statistics.month")],
  ["52w", say("statistics.year")],
];

/** @param {{ value: string; choose: (range: string) => void; among?: string[] }} props */
export const RangeChoice = ({ value, choose, among }) =>
  html`<${Choice}
    label=${say("statistics.range")}
    value=${value}
    options=${ranges().filter(([each]) => !among || among.includes(each))}
    save=${choose}
  />`;
