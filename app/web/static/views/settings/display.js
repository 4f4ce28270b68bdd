/** How the page looks on this browser: language, light or dark. Nothing of it is the gateway's. */

import { Choice } from "../../components/choice.js";
import { fetchWords, say } from "../../messages/messages.js";
import { choose, chooseTheme, language, theme } from "../../store/preferences.js";
import { html } from "../../ui.js";

/** @param {string} chosen */
async function speak(chosen) {
  await fetchWords(chosen);
  choose(chosen);
}

export const DisplaySection = () =>
  html`<section class="card settings-list">
    <p class="hint">${say("settings.display_only")}</p>
    <${Choice}
      label=${say("settings.language")}
      value=${language.value}
      options=${[["en", "English"], ["de", "Deutsch"]]}
      save=${speak}
    />
    <${Choice}
      label=${say("settings.theme")}
      value=${theme.value}
      options=${[
        ["system", say("settings.theme_system")],
        ["light", say("settings.theme_light")],
        ["dark", say("settings.theme_dark")],
      ]}
      save=${chooseTheme}
    />
  </section>`;
