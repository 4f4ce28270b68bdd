/** About: versions, what the machine has, the libraries and their licences, and where the rest is. */

import { FactList } from "../../components/fact_list.js";
import { Icon } from "../../components/icon.js";
import { useLoaded, Waiting } from "../../components/loaded.js";
import { say } from "../../messages/messages.js";
import { status } from "../../store/gateway.js";
import { html } from "../../ui.js";
import { SupportFile } from "./logs.js";

/** @typedef {{ name: string; version: string; license: string }} Library */

/** @returns {Promise<Library[]>} */
async function libraries() {
  const answer = await fetch("/static/vendor/libraries.json");
  return answer.ok ? answer.json() : [];
}

/** @param {string} name Of a library: its licence's file beside it. */
const licence = (name) => `/static/vendor/licences/${name.replace("@", "").replace("/", "-")}.txt`;

export function AboutSection() {
  const loaded = useLoaded(libraries);
  const ports = status.value?.ports ?? [];
  return html`<section class="card">
      <${FactList}
        facts=${[
          [say("about.version"), status.value?.version],
          [say("about.wireguard"), status.value?.wireguard],
          [say("about.attested"), status.value && say(status.value.attestation.ok ? "about.yes" : "about.no")],
        ]}
      />
      <p class="actions">
        <a class="button" href="/api/docs"><${Icon} icon="braces" />${say("place.docs")}</a>
        <a class="button" href="/proof"><${Icon} icon="shield-check" />${say("place.proof")}</a>
      </p>
    </section>
    <section class="card">
      <h2>${say("about.hardware")}</h2>
      <p class="hint">${say("about.hardware_what")}</p>
      <ul class="rows">
        ${ports.map((port) => html`<li class="row" key=${port.name}><div class="grow"><p class="row-title">${port.name}</p><p class="hint">${[port.driver, port.usb, port.mac].filter(Boolean).join(" · ")}</p></div></li>`)}
      </ul>
    </section>
    <${SupportFile} />
    <section class="card">
      <h2>${say("about.libraries")}</h2>
      <p class="hint">${say("about.libraries_what")}</p>
      <${Waiting} loaded=${loaded} />
      <ul class="rows">
        ${loaded.value?.map(
          ({ name, version, license }) =>
            html`<li class="row" key=${name}><p class="grow"><span class="row-title">${name}</span> ${version}</p><a href=${licence(name)}>${license}</a></li>`,
        )}
      </ul>
    </section>`;
}
