/** The log of the network service, as it grows, and the file to attach to a report. */

import { get } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { Icon } from "../../components/icon.js";
import { useLoaded, Waiting } from "../../components/loaded.js";
import { SearchField } from "../../components/search_field.js";
import { Toggle } from "../../components/toggle.js";
import { download } from "../../lib/download.js";
import { say } from "../../messages/messages.js";
import { locale } from "../../store/preferences.js";
import { html, useEffect, useSignal } from "../../ui.js";

/** @import { LogLine } from "../../../types/api.d.ts" */

const EVERY = 5000; // milliseconds
const LINES = 500;

/** @param {LogLine} line */
const text = ({ time, level, logger, message }) =>
  `${new Date(time * 1000).toLocaleString(locale.value, { dateStyle: "short", timeStyle: "medium" })} ${level} ${logger}: ${message}`;

export function LogsSection() {
  const loaded = useLoaded(() => get(`/api/logs?lines=${LINES}`));
  const search = useSignal("");
  const following = useSignal(true);
  useEffect(() => {
    const timer = setInterval(() => {
      if (following.value && document.visibilityState === "visible") loaded.reload();
    }, EVERY);
    return () => clearInterval(timer);
  }, []);

  const lines = (loaded.value?.lines ?? []).map(text);
  const wanted = search.value.toLowerCase();
  const shown = lines.filter((line) => line.toLowerCase().includes(wanted)).reverse();
  const save = () => download(new Blob([`${lines.join("\n")}\n`], { type: "text/plain" }), "vpn-gateway-log.txt");
  return html`<section class="card settings-list">
      <p class="hint">${say("logs.what")}</p>
      <div class="search">
        <${SearchField}
          label=${say("logs.search")}
          value=${search.value}
          change=${(/** @type {string} */ text) => {
            search.value = text;
          }}
        />
      </div>
      <${Toggle}
        label=${say("logs.follow")}
        checked=${following.value}
        save=${async (/** @type {boolean} */ on) => {
          following.value = on;
        }}
      />
      <${Waiting} loaded=${loaded} />
      ${loaded.value && !shown.length && html`<p class="hint">${say("logs.none")}</p>`}
      <div class="log" tabindex="0" role="region" aria-label=${say("settings.logs")}>
        <ol>${shown.map((line, index) => html`<li key=${lines.length - index}>${line}</li>`)}</ol>
      </div>
      <p><${Button} icon="download" action=${save}>${say("logs.save")}<//></p>
    </section>
    <${SupportFile} />`;
}

export const SupportFile = () =>
  html`<section class="card">
    <h2>${say("logs.support")}</h2>
    <p>${say("logs.support_what")}</p>
    <p class="hint">${say("logs.support_without")}</p>
    <p><a class="button" href="/api/support" download><${Icon} icon="download" />${say("logs.support")}</a></p>
  </section>`;
