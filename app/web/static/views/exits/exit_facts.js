/** What is known of the tunnel of an exit while it is up. */

import { bytes } from "../../lib/numbers.js";
import { ago } from "../../lib/time.js";
import { say } from "../../messages/messages.js";
import { now } from "../../store/clock.js";
import { placeName } from "../../store/names.js";
import { locale } from "../../store/preferences.js";
import { exitStatus } from "../../store/tone.js";
import { html } from "../../ui.js";

/** @param {{ name: string }} props */
export function ExitFacts({ name }) {
  const shown = exitStatus(name);
  if (shown?.state !== "connected") return null;
  const spoken = locale.value;
  const rows = [
    [say("fact.place"), shown.location && placeName(shown.location)],
    [say("fact.server"), shown.server],
    [say("fact.address"), shown.ip],
    [say("tunnel.handshake"), shown.latest_handshake && ago(shown.latest_handshake, now.value, spoken)],
    [
      say("tunnel.traffic"),
      say("tunnel.sum", { down: bytes(shown.rx_bytes, spoken), up: bytes(shown.tx_bytes, spoken) }),
    ],
    [say("tunnel.six"), shown.ipv6 ? say("tunnel.yes") : say("tunnel.no")],
    [say("tunnel.quantum"), shown.post_quantum ? say("tunnel.yes") : (shown.post_quantum_problem ?? say("tunnel.no"))],
  ];
  return html`<section class="card" aria-label=${say("tunnel.title")}>
    <dl class="facts">
      ${rows.filter(([, value]) => value).map(([term, value]) => html`<div key=${term}><dt>${term}</dt><dd>${value}</dd></div>`)}
    </dl>
  </section>`;
}
