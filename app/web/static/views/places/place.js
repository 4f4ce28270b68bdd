/** A place whose own view is still to come: what it is for, and where its functions are meanwhile. */

import { Icon } from "../../components/icon.js";
import { say } from "../../messages/messages.js";
import { html } from "../../ui.js";

/** @import { Route } from "../../lib/router.js" */

/** @param {{ route: Route }} props */
export const Place = ({ route: { place } }) =>
  html`<div class="place">
    <h1 tabindex="-1">${say(`place.${place}`)}</h1>
    <section class="card">
      <p>${say(`place.${place}_what`)}</p>
      <p><a class="button primary" href=${`/classic${ANCHORS[place]}`}><${Icon} icon="arrow-right" />${say("place.classic")}</a></p>
      ${place === "settings" && html`<p><a class="button plain" href="/welcome" data-view><${Icon} icon="arrow-right" />${say("place.welcome")}</a></p>`}
      ${place === "settings" && html`<p><a class="button plain" href="/api/docs"><${Icon} icon="braces" />${say("place.docs")}</a></p>`}
    </section>
  </div>`;

/** Where on the page before this one the functions of a place are. */
const ANCHORS = {
  home: "",
  devices: "",
  exits: "#servers",
  servers: "#servers",
  protection: "#killswitch-title",
  settings: "",
  welcome: "",
};
