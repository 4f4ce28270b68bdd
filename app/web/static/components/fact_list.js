/** Names and values; those without a value are left out. */

import { html } from "../ui.js";

/** @param {{ facts: [name: string, value: string | null | undefined][] }} props */
export const FactList = ({ facts }) =>
  html`<dl class="facts">
    ${facts
      .filter(([, value]) => value)
      .map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>`;
