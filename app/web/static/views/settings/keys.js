/** API keys: for programs, each with what it may do and how long; the key itself is shown once. */

import { call, get, post } from "../../api/client.js";
import { Button } from "../../components/button.js";
import { EmptyState } from "../../components/empty_state.js";
import { Form } from "../../components/form.js";
import { useLoaded, Waiting } from "../../components/loaded.js";
import { Secret } from "../../components/secret.js";
import { day } from "../../lib/time.js";
import { say } from "../../messages/messages.js";
import { now } from "../../store/clock.js";
import { agreed } from "../../store/confirmation.js";
import { confirmed, unlessCancelled } from "../../store/password.js";
import { locale } from "../../store/preferences.js";
import { tell } from "../../store/toasts.js";
import { html, useSignal } from "../../ui.js";

/** @import { KeyBody, NewKey } from "../../../types/api.d.ts" */

/** @type {() => [NonNullable<NewKey["scope"]>, string][]} */
const scopes = () => [
  ["read", say("access.scope_read")],
  ["connect", say("access.scope_connect")],
  ["admin", say("access.scope_admin")],
];
/** @type {() => [string, string][]} */
const lifetimes = () => [
  ["30", say("access.days", { count: 30 })],
  ["90", say("access.days", { count: 90 })],
  ["365", say("access.days", { count: 365 })],
  ["", say("access.never")],
];

/** @param {KeyBody} key */
function about({ scope, expires, last_used: used }) {
  const may = scopes().find(([name]) => name === scope)?.[1] ?? "";
  const until =
    expires === null
      ? say("access.no_end")
      : expires < now.value
        ? say("access.expired")
        : say("access.until", { day: day(expires, locale.value) });
  return [may, until, used ? say("access.used", { ago: day(used, locale.value) }) : say("access.never_used")].join(
    " · ",
  );
}

export function KeysSection() {
  const loaded = useLoaded(() => get("/api/auth/keys"));
  const made = useSignal("");
  const count = useSignal(0); // a new form each time

  const make = (/** @type {Record<string, string>} */ { name = "", scope, expires_in_days: days }) =>
    unlessCancelled(async () => {
      /** @type {NewKey} */
      const wanted = { name: name.trim(), scope: /** @type {NonNullable<NewKey["scope"]>} */ (scope) };
      if (days) wanted.expires_in_days = Number(days);
      const { key } = await confirmed((confirmation) => post("/api/auth/keys", { ...wanted, ...confirmation }));
      made.value = key;
      count.value += 1;
      await loaded.reload();
    });
  async function revoke(/** @type {KeyBody} */ { id, name }) {
    const sure = await agreed(say("access.revoke_title", { name }), say("access.revoke_what"), say("access.revoke"));
    if (!sure) return;
    await call("DELETE", `/api/auth/keys/${id}`);
    tell(say("access.revoked", { name }));
    await loaded.reload();
  }
  function done() {
    made.value = "";
  }

  const keys = loaded.value?.keys ?? [];
  return html`${
    made.value &&
    html`<section class="card">
        <h2>${say("access.key_made")}</h2>
        <p role="status">${say("access.key_once")}</p>
        <${Secret} lines=${[made.value]} label=${say("access.key_made")} />
        <p><${Button} kind="primary" action=${done}>${say("access.key_saved")}<//></p>
      </section>`
  }
    <section class="card">
      <p class="hint">${say("access.keys_what")}</p>
      <${Waiting} loaded=${loaded} />
      ${loaded.value && !keys.length && html`<${EmptyState} icon="key-round" title=${say("access.no_keys")}>${say("access.no_keys_next")}<//>`}
      <ul class="rows">
        ${keys.map(
          (key) =>
            html`<li class="row" key=${key.id}>
              <div class="grow"><p class="row-title">${key.name}</p><p class="hint">${about(key)}</p></div>
              <${Button} icon="trash-2" label=${say("access.revoke_label", { name: key.name })} action=${() => revoke(key)} />
            </li>`,
        )}
      </ul>
    </section>
    <section class="card">
      <h2>${say("access.new_key")}</h2>
      <${Form}
        key=${count.value}
        fields=${[
          { name: "name", label: say("access.key_name"), hint: say("access.key_name_what") },
          { name: "scope", label: say("access.scope"), options: scopes(), value: "read" },
          { name: "expires_in_days", label: say("access.expires"), options: lifetimes(), value: "365" },
        ]}
        submit=${say("access.make_key")}
        send=${make}
      />
    </section>`;
}
