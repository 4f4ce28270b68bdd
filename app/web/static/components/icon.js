/** One icon of the sprite; it says nothing to a screen reader, the text beside it does. */

import { html } from "../ui.js";

/** @param {{ icon: string }} props */
export const Icon = ({ icon }) =>
  html`<svg class="icon" aria-hidden="true" focusable="false"><use href=${`/static/vendor/icons.svg#${icon}`} /></svg>`;
