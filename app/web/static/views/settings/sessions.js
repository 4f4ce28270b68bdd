/** Who is signed in, and the way to sign a device out. */

import { call, get, post } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { useLoaded, Waiting } from "../../components/loaded.js";
import { agentName } from "../../lib/agent.js";
import { ago, day } from "../../lib/time.js";
import { say } from "../../messages/messages.js";
import { now } from "../../store/clock.js";
import { locale } from "../../store/preferences.js";
import { load as loadSession } from "../../store/session.js";
import { tell } from "../../store/toasts.js";
import { html } from "../../ui.js";

/** @import { SessionBody } from "../../../types/api.d.ts" */

/** @param {SessionBody} session */
function nameOf({ current, agent, kind }) {
  if (current) return say("access.this_browser");
  const found = kind === "browser" ? agentName(agent) : null;
  if (!found) return agent.slice(0, 40) || say("access.program");
  return found.system ? say("access.browser_on", found) : found.browser;
}

async function signOut() {
  await post("/api/auth/logout");
  await loadSession();
}

export function SessionsSection() {
  const loaded = useLoaded(() => get("/api/auth/sessions"));
  async function end(/** @type {SessionBody} */ session) {
    await call("DELETE", `/api/auth/sessions/${session.id}`);
    tell(say("access.ended", { name: nameOf(session) }));
    await loaded.reload();
  }
  const sessions = [...(loaded.value?.sessions ?? [])].sort((a, b) => Number(b.current) - Number(a.current));
  return html`<section class="card">
    <p class="hint">${say("access.sessions_what")}</p>
    <${Waiting} loaded=${loaded} />
    <ul class="rows">
      ${sessions.map((each) => {
        const about = [
          each.address,
          say("access.since", { day: day(each.created, locale.value) }),
          say("access.used", { ago: ago(each.last_used, now.value, locale.value) }),
        ];
        const name = nameOf(each);
        return html`<li class="row" key=${each.id}>
          <div class="grow"><p class="row-title">${name}</p><p class="hint">${about.join(" · ")}</p></div>
          ${
            each.current
              ? html`<${Button} icon="log-out" action=${signOut}>${say("access.sign_out")}<//>`
              : html`<${Button} icon="trash-2" label=${say("access.end_label", { name })} action=${() => end(each)} />`
          }
        </li>`;
      })}
    </ul>
  </section>`;
}
