/** The proof from another device: a QR code that leads it to the page that sends packets of its own. */

import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { html } from "../../ui.js";

export function PhoneProof() {
  const address = `${location.origin}/proof`;
  return html`<section class="card phone-proof" aria-labelledby="phone-proof">
    <div class="grow">
      <h2 id="phone-proof">${say("phone.title")}</h2>
      <p class="hint">${say("phone.what")}</p>
      <p class="address">${address}</p>
      <a class="button plain" href="/proof"><${Icon} icon="smartphone" />${say("phone.here")}</a>
    </div>
    <img class="qr" src="/proof.svg" width="180" height="180" alt=${say("phone.code", { address })} />
  </section>`;
}
