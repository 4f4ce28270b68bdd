/** What a list says while it has nothing: what that means, and what to do. */

import { html } from "../ui.js";
import { Icon } from "./icon.js";

/** @param {{ icon: string; title: string; children?: unknown }} props */
export const EmptyState = ({ icon, title, children }) =>
  html`<div class="empty"><${Icon} icon=${icon} /><p class="empty-title">${title}</p><p class="hint">${children}</p></div>`;
