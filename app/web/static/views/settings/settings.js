/** Settings: the list of sections, and the one of the address; a desk shows both side by side. */

import { Icon } from "../../components/icon.js";
import { useTitle } from "../../components/title.js";
import { say } from "../../messages/messages.js";
import { html } from "../../ui.js";
import { GROUPS } from "./sections.js";

/** @import { Route } from "../../lib/router.js" */
/** @import { Elsewhere, Section } from "./sections.js" */

/** @param {Section | Elsewhere} entry */
const addressOf = (entry) => ("href" in entry ? entry.href : `/settings/${entry.id}`);

/** @param {{ here: string | null }} props */
const Sections = ({ here }) =>
  html`<nav class="sections" aria-label=${say("settings.sections")}>
    ${GROUPS.map(
      (group) =>
        html`<div key=${group.title} class="section-group">
          <p class="section-title">${say(group.title)}</p>
          <ul class="card">
            ${group.sections.map(
              (each) =>
                html`<li key=${each.title}>
                  <a href=${addressOf(each)} data-view aria-current=${addressOf(each) === here ? "page" : undefined}>
                    <${Icon} icon=${each.icon} />
                    <span class="grow"><span class="row-title">${say(each.title)}</span> <span class="hint">${say(each.what)}</span></span>
                    <${Icon} icon="chevron-right" />
                  </a>
                </li>`,
            )}
          </ul>
        </div>`,
    )}
  </nav>`;

/** @param {{ route: Route }} props */
export function Settings({ route }) {
  const section = GROUPS.flatMap((group) => group.sections).find((each) => "view" in each && each.id === route.part);
  useTitle(say(section?.title ?? "place.settings"));
  if (!section || !("view" in section))
    return html`<div class="settings">
      <h1 tabindex="-1">${say("place.settings")}</h1>
      ${route.part && html`<p class="hint">${say("settings.no_section")}</p>`}
      <${Sections} here=${null} />
    </div>`;
  return html`<div class="settings one">
    <div class="section" key=${section.title}>
      <p class="back"><a href="/settings" data-view><${Icon} icon="arrow-left" />${say("place.settings")}</a></p>
      <h1 tabindex="-1">${say(section.title)}</h1>
      <${section.view} />
    </div>
    <${Sections} here=${addressOf(section)} />
  </div>`;
}
