/** Starts the page of the proof, which any device of the network may open, without a password. */

import { fetchWords } from "./messages/messages.js";
import { language } from "./store/preferences.js";
import { html, render } from "./ui.js";
import { ProofPage } from "./views/proof/proof_page.js";

async function start() {
  await fetchWords(language.value).catch(() => null);
  const root = document.getElementById("page");
  if (root) render(html`<${ProofPage} />`, root);
  document.documentElement.dataset.ready = ""; // for tests: the page reacts to input from now on
}

start();
