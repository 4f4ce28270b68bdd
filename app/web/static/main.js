/** Starts the page: who reads it, what the gateway tells, and the view of the address. */

import { fetchWords } from "./messages/messages.js";
import { follow } from "./store/connection.js";
import * as firstRun from "./store/first_run.js";
import * as gateway from "./store/gateway.js";
import { listen } from "./store/location.js";
import { language } from "./store/preferences.js";
import * as session from "./store/session.js";
import { effect, html, render } from "./ui.js";
import { Shell } from "./views/shell.js";

async function start() {
  listen();
  await Promise.all([session.load(), fetchWords(language.value).catch(() => null)]);
  firstRun.begin();
  if (session.refused.value) gateway.refreshMe();

  // Only who may see the gateway follows it; a sign-in begins it, and its end ends it.
  effect(() => {
    if (session.refused.value) return undefined;
    return follow({
      message: gateway.receive,
      status: gateway.answeredStatus,
      unavailable: gateway.setUnavailable,
      missed: gateway.missed,
    });
  });

  const root = document.getElementById("page");
  if (root) render(html`<${Shell} />`, root);
  document.documentElement.dataset.ready = ""; // for tests: the page reacts to input from now on
}

start();
