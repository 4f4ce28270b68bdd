/** What surrounds every view: the five places, the link to the gateway, the messages; and the focus on a new view. */

import { Confirmation } from "../components/confirmation.js";
import { Icon } from "../components/icon.js";
import { later } from "../components/later.js";
import { PasswordQuestion } from "../components/password_question.js";
import { Toasts } from "../components/toasts.js";
import { say } from "../messages/messages.js";
import { link } from "../store/connection.js";
import { route } from "../store/location.js";
import { passwordWindow } from "../store/password_window.js";
import { refused, session } from "../store/session.js";
import { isStale } from "../store/tone.js";
import { html, useEffect, useRef } from "../ui.js";
import { DevicesPlace } from "./devices/place.js";
import { Home } from "./home/home.js";
import { what } from "./home/words.js";
import { Navigation } from "./navigation.js";
import { SignIn } from "./sign_in/sign_in.js";

/** @type {Record<import("../lib/router.js").Route["place"], unknown>} */
const VIEWS = {
  home: Home,
  devices: DevicesPlace,
  exits: later("exits", async () => (await import("./exits/exits.js")).Exits),
  servers: later("servers", async () => (await import("./servers/servers.js")).Servers),
  protection: later("protection", async () => (await import("./protection/protection.js")).Protection),
  settings: later("settings", async () => (await import("./settings/settings.js")).Settings),
  welcome: later("welcome", async () => (await import("./first_run/first_run.js")).FirstRun),
};

/** A new view takes the focus, so that a screen reader reads it and Tab goes on from there; the first one does not. */
function useFocusOnChange() {
  const shown = useRef(route.value);
  const { place, part } = route.value;
  useEffect(() => {
    const heading = /** @type {HTMLElement | null} */ (document.querySelector("#view h1"));
    const title = (part && heading?.textContent) || say(`place.${place}`);
    if (place !== "home") document.title = `${title} · ${say("app.name")}`; // Home's is its state, which changes
    if (shown.current !== route.value) heading?.focus({ preventScroll: true });
    shown.current = route.value;
  }, [route.value]);
}

const NoPassword = () =>
  session.value?.available &&
  !session.value.password_set &&
  html`<aside aria-label=${say("no_password.title")}><div class="banner" role="note">
    <${Icon} icon="lock-open" />
    <p>
      ${say("no_password.what")} ${passwordWindow()}
      ${route.value.place !== "welcome" && html`<a href="/welcome" data-view>${say("no_password.next")}</a>`}
    </p>
  </div></aside>`;

export function Shell() {
  useFocusOnChange();
  if (refused.value) return html`<${SignIn} /><${Toasts} />`;
  const view = VIEWS[route.value.place];
  const grey = isStale();
  return html`<a class="skip" href="#view">${say("action.skip")}</a>
    <${Navigation} />
    <div class="frame">
      ${grey && route.value.place !== "home" && html`<header class="link" data-link=${link.value}><${Icon} icon="cloud-off" />${what()}</header>`}
      <${NoPassword} />
      <main id="view" class=${grey ? "stale" : ""} tabindex="-1"><${view} route=${route.value} /></main>
    </div>
    <p class="visually-hidden" role="status">${what()}</p>
    <${Toasts} />
    <${Confirmation} />
    <${PasswordQuestion} />`;
}
