/** The icon of each kind of device. */

/** @import { DeviceBody } from "../../../types/api.d.ts" */

/** @type {Record<DeviceBody["kind"], { icon: string }>} */
const KINDS = {
  camera: { icon: "cctv" },
  computer: { icon: "laptop" },
  console: { icon: "gamepad-2" },
  home: { icon: "house-plug" },
  network: { icon: "router" },
  phone: { icon: "smartphone" },
  printer: { icon: "printer" },
  speaker: { icon: "speaker" },
  storage: { icon: "hard-drive" },
  tablet: { icon: "tablet" },
  tv: { icon: "tv" },
  unknown: { icon: "monitor-smartphone" },
};

/** @param {DeviceBody["kind"]} kind */
export const kindIcon = (kind) => KINDS[kind].icon;
