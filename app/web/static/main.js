/** The page: each part sets itself up, and the event stream keeps all of them true. */

import * as add from "./add.js";
import { $, setText } from "./dom.js";
import * as history from "./history.js";
import { follow } from "./live.js";
import * as preferences from "./preferences.js";
import * as servers from "./servers.js";
import * as status from "./status.js";
import { toast } from "./toast.js";
import * as traffic from "./traffic.js";

const LINK = { live: "Live", waiting: "Reconnecting", lost: "Out of reach" };

let away = true; // whether the list has to be asked for (again) once the gateway answers

status.setUp({ choose: servers.focus, connect: servers.connect });
servers.setUp();
preferences.setUp();
add.setUp();
traffic.setUp();
history.setUp();

follow({
  status(body) {
    status.show(body);
    servers.follow(body);
    history.follow(body);
    if (away) {
      away = false;
      servers.load();
      traffic.load();
    }
  },
  unavailable(error) {
    away = true;
    status.showUnavailable(error);
  },
  event({ type, payload }) {
    if (type === "server_update" || type === "provider_account") servers.load();
    if (type === "traffic") traffic.live(payload);
    if (type === "security_alert") toast(`Security: ${payload.message}`, { bad: true });
  },
  link(state) {
    $("link").dataset.link = state;
    setText($("link-text"), LINK[state]);
    if (state === "lost") {
      away = true;
      status.showLost();
    }
  },
});
