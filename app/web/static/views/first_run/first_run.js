/** The first run: password, provider or file, server, proof, done. Each step can be skipped, and none opens anything. */

import { html } from "../../ui.js";
import { DoneStep } from "./done_step.js";
import { PasswordStep } from "./password_step.js";
import { ProofStep } from "./proof_step.js";
import { ProviderStep } from "./provider_step.js";
import { Restore } from "./restore.js";
import { ServerStep } from "./server_step.js";

/** @import { Route } from "../../lib/router.js" */

/** @param {{ route: Route }} props */
export function FirstRun({ route: { part } }) {
  switch (part) {
    case "provider":
      return html`<${ProviderStep} />`;
    case "server":
      return html`<${ServerStep} />`;
    case "proof":
      return html`<${ProofStep} />`;
    case "done":
      return html`<${DoneStep} />`;
    case "restore":
      return html`<${Restore} />`;
    default:
      return html`<${PasswordStep} />`;
  }
}
