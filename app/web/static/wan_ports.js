/** The list of network ports from which the user chooses the WAN while none is known to be it. */

import { call } from "./api.js";
import { $, h, whileBusy } from "./dom.js";
import { showError, toast } from "./toast.js";

/** @import { NetworkPort, StatusBody, WanBody } from "../types/api.d.ts" */

let rendered = ""; // the ports on the page, as JSON

/** @param {StatusBody | null} status */
export function show(status) {
  const list = $("wan-ports");
  const problem = status?.wan_problem;
  const choosable = problem && problem.reason !== "networks_overlap" && !status.wan_choice.fixed_by;
  const ports = choosable ? status.ports.filter((port) => !port.radio) : [];
  list.hidden = !ports.length;
  // Unchanged rows stay, because a redraw takes a button from under the finger and interrupts a screen reader.
  const current = JSON.stringify(ports);
  if (current === rendered) return;
  rendered = current;
  list.replaceChildren(...ports.map(row));
}

/** @param {NetworkPort} port */
function row(port) {
  const details = [port.usb, port.mac, port.driver, port.carrier ? "cable in" : "no cable"].filter(Boolean).join(", ");
  const choose = (/** @type {{ currentTarget: HTMLButtonElement }} */ event) =>
    whileBusy(event.currentTarget, () => call("PUT", "/api/wan", { port: port.name }).then(showResult, showError));
  return h(
    "li",
    {},
    h("span", {}, h("strong", {}, port.name), ` ${details}`),
    h(
      "button",
      { class: "button small", type: "button", "aria-label": `Use ${port.name} as WAN`, onclick: choose },
      "Use as WAN",
    ),
  );
}

/** @param {WanBody} answer */
const showResult = (answer) => toast(answer.interface ? `The WAN is ${answer.interface} now.` : "There is no WAN now.");
