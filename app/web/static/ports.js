/** Where no port is known to be the WAN: the ports, to choose one. */

import { call } from "./api.js";
import { $, h, whileBusy } from "./dom.js";
import { failed, toast } from "./toast.js";

/** @import { NetworkPort, StatusBody, WanBody } from "../types/api.d.ts" */

let shown = "";

/** @param {StatusBody | null} status */
export function show(status) {
  const list = $("wan-ports");
  const open = status?.wan_problem && !status.wan_choice.fixed_by;
  const ports = open ? status.ports.filter((port) => !port.radio) : [];
  list.hidden = !ports.length;
  // What did not change stays: a button that is about to be pressed, and what a screen reader is reading.
  const now = JSON.stringify(ports);
  if (now === shown) return;
  shown = now;
  list.replaceChildren(...ports.map(row));
}

/** @param {NetworkPort} port */
function row(port) {
  const facts = [port.usb, port.mac, port.driver, port.carrier ? "cable in" : "no cable"].filter(Boolean).join(", ");
  const use = (/** @type {{ currentTarget: HTMLButtonElement }} */ event) =>
    whileBusy(event.currentTarget, () => call("PUT", "/api/wan", { port: port.name }).then(told, failed));
  return h(
    "li",
    {},
    h("span", {}, h("strong", {}, port.name), ` ${facts}`),
    h(
      "button",
      { class: "button small", type: "button", "aria-label": `Use ${port.name} as WAN`, onclick: use },
      "Use as WAN",
    ),
  );
}

/** @param {WanBody} answer */
const told = (answer) => toast(answer.interface ? `The WAN is ${answer.interface} now.` : "There is no WAN now.");
