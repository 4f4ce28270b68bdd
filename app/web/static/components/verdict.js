/** The outcome of a proof in colour and words; while it runs, that it runs. */

import { html } from "../ui.js";
import { Icon } from "./icon.js";

/** @typedef {"idle" | "watching" | "proven" | "unclear" | "leak"} Outcome */

/** @type {Record<Outcome, { icon: string }>} */
const SHOWN = {
  idle: { icon: "shield" },
  watching: { icon: "scan-eye" },
  proven: { icon: "shield-check" },
  unclear: { icon: "shield-question-mark" },
  leak: { icon: "shield-alert" },
};

/** @param {{ outcome: Outcome; title: string; text: string; level: 1 | 3 }} props */
export const Verdict = ({ outcome, title, text, level }) =>
  html`<div class="state" data-state=${outcome}>
    <span class=${level === 1 ? "emblem" : "emblem small"}><${Icon} icon=${SHOWN[outcome].icon} /></span>
    <div role="status">
      <${`h${level}`} class=${level === 1 ? "what" : "verdict"} id=${level === 1 ? "verdict" : undefined}>${title}<//>
      <p class="why" id=${level === 1 ? "explain" : undefined}>${text}</p>
    </div>
  </div>`;
