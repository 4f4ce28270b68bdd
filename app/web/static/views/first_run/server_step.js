/** The third step: the first server. */

import { ApiError, get, post } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { preferences, status } from "../../store/gateway.js";
import { isStale } from "../../store/tone.js";
import { html, useEffect, useId, useRef, useState } from "../../ui.js";
import { Step } from "./step.js";

/** @returns {string[] | null} The countries of the present provider; null = not known yet. */
function useCountries() {
  const [countries, setCountries] = useState(/** @type {string[] | null} */ (null));
  useEffect(() => {
    get("/api/servers").then(
      ({ servers }) => setCountries(Object.keys(servers).sort()),
      (error) => {
        if (!(error instanceof ApiError)) throw error;
        setCountries([]);
      },
    );
  }, [preferences.value]);
  return countries;
}

/** @param {{ countries: string[] }} props */
function Choose({ countries }) {
  const id = useId();
  const menu = /** @type {import("../../vendor/preact.js").RefObject<HTMLSelectElement | null>} */ (useRef(null));
  const connect = () => post("/api/connect", { server: menu.current?.value ?? "fastest" });
  return html`<div class="field">
      <label for=${id}>${say("first.server_label")}</label>
      <select class="menu" id=${id} ref=${menu}>
        <option value="fastest">${say("quick.fastest")}</option>
        ${countries.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}
      </select>
    </div>
    <div class="actions"><${Button} kind="primary" action=${connect}>${say("action.connect")}<//></div>`;
}

export function ServerStep() {
  const countries = useCountries();
  const connected = !isStale() && status.value?.state === "connected";
  return html`<${Step} step="server" title=${say("first.server_title")} what=${say("first.server_what")} done=${connected}>
    ${
      connected
        ? html`<p class="settled"><${Icon} icon="circle-check" />${say("first.connected", { place: status.value?.location ?? status.value?.server ?? "" })}</p>`
        : countries?.length === 0
          ? html`<p class="hint">${say("first.no_servers")}</p>`
          : countries && html`<${Choose} countries=${countries} />`
    }
    <p><a href="/servers" data-view>${say("quick.all")}</a></p>
  <//>`;
}
