/** A new exit: it is named here, and where it goes is chosen next. */

import { Dialog } from "../../components/dialog.js";
import { Form } from "../../components/form.js";
import { exitNameOf } from "../../lib/exit_name.js";
import { say } from "../../messages/messages.js";
import { makeExit } from "../../store/exit_actions.js";
import { exits } from "../../store/gateway.js";
import { go } from "../../store/location.js";
import { html } from "../../ui.js";

/** @param {{ close: () => void }} props */
export function MakeExit({ close }) {
  async function send(/** @type {Record<string, string>} */ { label = "" }) {
    const name = exitNameOf(
      label,
      exits.value.map((each) => each.name),
    );
    await makeExit(name, label.trim() === name ? null : label.trim() || null);
    close();
    go(`/servers/${name}`);
  }
  const label = {
    name: "label",
    label: say("exits.label"),
    hint: say("exits.label_hint"),
    autofocus: true,
    required: true,
  };
  return html`<${Dialog} title=${say("exits.make")} close=${close}>
    <p class="hint">${say("exits.make_what")}</p>
    <${Form} fields=${[label]} submit=${say("exits.make_next")} send=${send} />
  <//>`;
}
