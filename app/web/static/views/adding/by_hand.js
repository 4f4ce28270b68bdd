/** A server of one's own, field by field; without a key the gateway makes one, and shows what the server must know. */

import { get, post } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { Form } from "../../components/form.js";
import { Secret } from "../../components/secret.js";
import { say } from "../../messages/messages.js";
import { tell } from "../../store/toasts.js";
import { html, useSignal } from "../../ui.js";

/** @import { CustomServerBody, KeypairBody } from "../../../types/api.d.ts" */

const NUMBERS = new Set(["mtu", "persistent_keepalive"]);
const ALWAYS = new Set(["name", "endpoint", "public_key"]); // the others are left out where they are empty

/** @param {Record<string, string>} values */
function bodyOf(values) {
  /** @type {Record<string, unknown>} */
  const body = {};
  for (const [name, value] of Object.entries(values)) {
    const given = value.trim();
    if (given || ALWAYS.has(name)) body[name] = NUMBERS.has(name) ? Number(given) : given;
  }
  return /** @type {CustomServerBody} */ (/** @type {unknown} */ (body));
}

export function ByHand() {
  const made = useSignal(0); // a new form each time, in which no key is left
  /** @type {import("../../vendor/signals.js").Signal<KeypairBody | null>} */
  const pair = useSignal(/** @type {KeypairBody | null} */ (null));
  /** @type {import("../../vendor/signals.js").Signal<{ name: string; key: string; warnings: string[] } | null>} */
  const done = useSignal(/** @type {{ name: string; key: string; warnings: string[] } | null} */ (null));

  async function makePair() {
    pair.value = await get("/api/keypair");
  }
  async function send(/** @type {Record<string, string>} */ values) {
    const body = bodyOf(values);
    const { public_key: key, warnings } = await post("/api/custom/add", body);
    done.value = { name: body.name, key: key ?? "", warnings: warnings ?? [] };
    pair.value = null;
    made.value += 1;
    tell(say("adding.one_added", { server: body.name }));
  }
  const fields = [
    { name: "name", label: say("adding.name"), placeholder: "my-vps" },
    {
      name: "endpoint",
      label: say("adding.endpoint"),
      hint: say("adding.endpoint_what"),
      placeholder: "1.2.3.4:51820",
    },
    { name: "public_key", label: say("adding.public_key") },
    { name: "address", label: say("adding.address"), placeholder: "10.0.0.2/32" },
    {
      name: "private_key",
      label: say("adding.private_key"),
      type: "password",
      optional: true,
      hint: say("adding.private_key_what"),
      value: pair.value?.private_key ?? "",
    },
    { name: "preshared_key", label: say("adding.preshared_key"), type: "password", optional: true },
    { name: "dns", label: say("adding.dns"), optional: true, placeholder: "1.1.1.1, 1.0.0.1" },
    { name: "allowed_ips", label: say("adding.allowed"), optional: true, placeholder: "0.0.0.0/0, ::/0" },
    { name: "location", label: say("adding.location"), optional: true },
    { name: "mtu", label: say("network.mtu"), type: "number", optional: true },
    { name: "persistent_keepalive", label: say("adding.keepalive"), type: "number", optional: true },
  ];
  return html`${
    done.value &&
    html`<section class="card" aria-label=${say("adding.done")}>
        <h2>${say("adding.one_added", { server: done.value.name })}</h2>
        ${done.value.key && html`<p>${say("adding.enter_key")}</p><${Secret} lines=${[done.value.key]} label=${say("adding.own_public_key")} />`}
        ${done.value.warnings.map((warning) => html`<p class="finding" key=${warning}>${warning}</p>`)}
      </section>`
  }
    <section class="card">
      <h2>${say("adding.by_hand")}</h2>
      <p class="hint">${say("adding.by_hand_what")}</p>
      <${Form} key=${made.value} fields=${fields} submit=${say("adding.add_one")} send=${send}>
        <div class="pair">
          <${Button} icon="key-round" action=${makePair}>${say("adding.make_pair")}<//>
          ${pair.value && html`<p role="status">${say("adding.pair_made")}</p><${Secret} lines=${[pair.value.public_key]} label=${say("adding.own_public_key")} />`}
        </div>
      <//>
    </section>`;
}
