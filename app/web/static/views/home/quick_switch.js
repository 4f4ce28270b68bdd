/** One tap to another server: the fastest, the favourites, and those used lately. */

import { Button } from "../../components/button.js";
import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { connect } from "../../store/actions.js";
import { preferences, status } from "../../store/gateway.js";
import { html } from "../../ui.js";

const MOST = 6;
const FAVOURITE = { icon: "star" };
const RECENT = { icon: "history" };

/** @param {string} server "provider/hostname" */
const hostname = (server) => server.slice(server.indexOf("/") + 1);

export function QuickSwitch() {
  const { favourites = [], recent = [] } = preferences.value ?? {};
  const present = status.value?.connected ? `${status.value.provider}/${status.value.server}` : null;
  const offered = [...new Set([...favourites, ...recent])].filter((each) => each !== present).slice(0, MOST);
  return html`<section class="card" aria-labelledby="quick-switch">
    <h2 id="quick-switch">${say("quick.title")}</h2>
    <div class="chips">
      <${Button} icon="zap" action=${() => connect("fastest")}>${say("quick.fastest")}<//>
      ${offered.map(
        (each) =>
          html`<${Button}
            key=${each}
            icon=${favourites.includes(each) ? FAVOURITE.icon : RECENT.icon}
            action=${() => connect(each)}
            label=${say("quick.connect", { server: hostname(each) })}
          >
            ${hostname(each)}
          <//>`,
      )}
      <a class="button plain" href="/servers" data-view><${Icon} icon="list" />${say("quick.all")}</a>
    </div>
  </section>`;
}
