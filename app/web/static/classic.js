/** The page: sets up each part, and passes the event stream to all of them. */

import * as addServer from "./add_server.js";
import { $, setText } from "./dom.js";
import { follow } from "./event_stream.js";
import * as history from "./history.js";
import * as preferences from "./preferences.js";
import * as servers from "./servers.js";
import * as status from "./status.js";
import { toast } from "./toast.js";
import * as traffic from "./traffic.js";

const LINK = { live: "Live", waiting: "Reconnecting", lost: "Unreachable" };

let stale = true; // whether the lists must be loaded (again) once the gateway answers

status.setUp({ choose: servers.focus, connect: servers.connect });
servers.setUp();
preferences.setUp();
addServer.setUp();
traffic.setUp();
history.setUp();

follow({
  status(body) {
    status.show(body);
    servers.follow(body);
    history.follow(body);
    if (stale) {
      stale = false;
      servers.load();
      traffic.load();
    }
  },
  unavailable(error) {
    stale = true;
    status.showUnavailable(error);
  },
  event({ type, payload }) {
    if (type === "server_update" || type === "provider_account") servers.load();
    if (type === "traffic") traffic.showRates(payload);
    // The first screen says so already, for as long as it is true.
    if (type === "security_alert" && payload.reason !== "no_password")
      toast(`Security: ${payload.message}`, { bad: true });
  },
  link(state) {
    $("link").dataset.link = state;
    setText($("link-text"), LINK[state]);
    if (state === "lost") {
      stale = true;
      status.showLost();
    }
  },
});
