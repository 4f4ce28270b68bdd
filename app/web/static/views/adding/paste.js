/** A configuration as text. */

import { ApiError } from "../../api/client.js";
import { Form } from "../../components/form.js";
import { say } from "../../messages/messages.js";
import { html, useSignal } from "../../ui.js";

/** @param {{ pasted: (config: string, name: string) => Promise<void> }} props */
export function Paste({ pasted }) {
  const taken = useSignal(0); // a new form each time, in which no key is left
  async function send(/** @type {Record<string, string>} */ { config = "", name = "" }) {
    if (!config.trim()) throw new ApiError(say("error.missing_field"), { code: "missing_field", field: "config" });
    await pasted(config, name.trim() || say("adding.pasted_name"));
    taken.value += 1;
  }
  return html`<details class="more" key=${taken.value}>
    <summary>${say("adding.paste")}</summary>
    <${Form}
      fields=${[
        {
          name: "config",
          label: say("adding.config"),
          rows: 8,
          placeholder:
            "[Interface]\nPrivateKey = …\nAddress = 10.0.0.2/32\n\n[Peer]\nPublicKey = …\nEndpoint = 1.2.3.4:51820",
        },
        { name: "name", label: say("adding.name"), optional: true },
      ]}
      submit=${say("adding.check")}
      send=${send}
    />
  </details>`;
}
