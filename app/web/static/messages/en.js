/** English, the language in which every message must be. */

import adding from "./en/adding.js";
import device from "./en/device.js";
import errors from "./en/errors.js";
import exits from "./en/exits.js";
import firstRun from "./en/first_run.js";
import protection from "./en/protection.js";
import servers from "./en/servers.js";
import settings from "./en/settings.js";

export default {
  "app.name": "VPN Gateway",
  "app.places": "Places",

  "action.cancel": "Cancel",
  "action.close": "Close",
  "action.confirm": "Confirm",
  "action.connect": "Connect",
  "action.disconnect": "Disconnect",
  "action.dismiss": "Dismiss",
  "action.seen": "Seen",
  "action.skip": "Skip to the content",
  "action.stop": "Stop trying",
  "action.undo": "Undo",

  "alert.title": "Alerts",

  "devices.admit": "Admit",
  "devices.admit_label": "Admit {device}",
  "devices.count": { one: "{count} device", other: "{count} devices" },
  "devices.last_seen": "Last seen {ago}",
  "devices.menu": "Internet of {device}",
  "devices.never_seen": "Not seen yet",
  "devices.none": "No devices yet",
  "devices.none_next": "Join a phone or a computer to the gateway's network: it appears here by itself.",
  "devices.none_found": "No device matches",
  "devices.none_found_next": "Look for a part of its name, its maker or its address.",
  "devices.online": "Online",
  "devices.rate": "{down} down, {up} up",
  "devices.search": "Search devices",
  "devices.waiting": { one: "{count} device waits for you", other: "{count} devices wait for you" },
  "devices.waiting_why": "It was never here before, and reaches nothing until you admit it.",

  "done.admitted": "{device} is admitted.",
  "done.blocked": "{device} is blocked.",
  "done.disconnected": "Disconnected. Nothing leaves until you connect.",
  "done.ended": "{device} is protected again.",
  "done.exit": "{device} now leaves by {exit}.",
  "done.inherit": "{device} follows the others.",
  "done.open": {
    one: "{device} leaves without the VPN for {count} minute.",
    other: "{device} leaves without the VPN for {count} minutes.",
  },

  "error.account_expired": "The account at the provider has run out. Renew it there; until then all stays blocked.",
  "error.busy": "The gateway is still busy with the last change. Try again in a moment.",
  "error.exit_in_use": "Devices still use this exit. Say first where they should go.",
  "error.forbidden": "The gateway refused this. Nothing was changed.",
  "error.insufficient_scope": "This sign-in may look, but not change. Sign in as admin.",
  "error.internal": "Something went wrong in the gateway. Protection stays as it was; try again.",
  "error.invalid_token": "The sign-in has ended. Sign in again.",
  "error.key_revoked":
    "The provider no longer knows the gateway's key. Sign in there again; until then all stays blocked.",
  "error.locked_out": "Too many wrong passwords. Try again in {wait}.",
  "error.missing_field": "Please fill this in.",
  "error.not_allowed": "This device may not decide that. Ask the person who looks after the gateway.",
  "error.not_found": "It is not there any more. The page shows what is.",
  "error.not_signed_in": "Sign in at the provider first: without an account no server answers.",
  "error.rate_limited": "Too many requests at once. Nothing was changed; wait a moment.",
  "error.set_password_first": "Set a password for the gateway first, so that only you can open a device.",
  "error.storage": "The gateway could not write to its card. Nothing was changed; the card may be full or worn out.",
  "error.timeout": "The gateway took too long. Look whether it was done before you try again.",
  "error.unauthorized": "Sign in to do that.",
  "error.unavailable":
    "The gateway's network service does not answer. The rules in force stay: nothing leaves without them.",
  "error.unexpected": "Something went wrong on this page. Load it again; protection is not affected.",
  "error.unreachable": "The gateway cannot be reached. Is this device still in its network?",
  "error.unreadable": "The gateway's answer could not be read. Load the page again.",
  "error.wrong_code": "The code is wrong. Use the one that the app shows now.",
  "error.wrong_password": "The password is wrong.",

  "exception.end": "End now",
  "exception.end_label": "End now for {device}",
  "exception.extend": "+{count} min",
  "exception.extend_label": "+{count} min for {device}",
  "exception.row": "{device}: {policy}",
  "exception.title": "For a while",

  "exit.default": "Main exit",

  "fact.address": "Address",
  "fact.place": "Place",
  "fact.server": "Server",
  "fact.since": "Since",

  "field.code": "Code of your authenticator app",
  "field.password": "Password",

  "home.gateway": "State of the gateway",
  "home.last_heard": "Last heard {ago}. What is shown is from then.",
  "home.switching": "Changing to {server}. The old tunnel stays until the new one is up.",

  "me.blocked": "This device has no Internet",
  "me.direct": "This device leaves without the VPN",
  "me.end_pause": "End the pause",
  "me.exit_down": "Its exit, {exit}, is not connected: nothing of it leaves.",
  "me.menu": "Internet of this device",
  "me.pause": { one: "Pause for {count} minute", other: "Pause for {count} minutes" },
  "me.vpn": "This device leaves by {exit}",
  "me.waiting": "It is new here, and waits for somebody to admit it.",
  "me.why_blocked": "Nothing of it leaves: that is the kill switch at work.",

  "next.blocked": "Choose another server, or wait: the gateway keeps trying.",
  "next.connecting": "This takes a few seconds.",
  "next.disconnected": "Connect when you like.",
  "next.lost": "Look whether the gateway is switched on and this device is in its network.",
  "next.open": "See below for whom and until when.",
  "next.retry": "Trying again in {time}.",
  "next.retry_now": "Trying again now.",
  "next.unavailable": "It should be back in a moment.",
  "next.unconfirmed": "See under Protection what was found.",
  "next.wan": "Look at the cables, or choose the port in Settings.",

  "no_password.next": "Set one now",
  "no_password.what": "This gateway has no password: everybody in its network can connect, disconnect and add servers.",

  "password.title": "Your password, once more",
  "password.why": "This lets traffic out without the VPN, so that a sign-in alone is not enough.",

  "place.devices": "Devices",
  "place.docs": "The API",
  "place.exits": "Exits",
  "place.home": "Home",
  "place.proof": "Prove it from this device",
  "place.protection": "Protection",
  "place.servers": "Servers",
  "place.settings": "Settings",
  "place.welcome": "First steps",
  "policy.blocked": "Blocked",
  "policy.direct": "Without VPN",
  "policy.direct_for": "Without VPN for",
  "policy.inherit": "As the others",
  "policy.minutes": { one: "{count} minute", other: "{count} minutes" },
  "policy.more": "More",
  "policy.waiting": "Waits",

  "quick.all": "All servers",
  "quick.connect": "Connect to {server}",
  "quick.fastest": "Fastest",
  "quick.title": "Change the server",

  "sign_in.forgotten": "Forgotten? The password can be set anew on the gateway's SD card.",
  "sign_in.title": "Sign in",
  "sign_in.why": "This gateway has a password.",

  "state.blocked": "Blocked",
  "state.connecting": "Connecting",
  "state.loading": "Asking the gateway",
  "state.lost": "Gateway not reached",
  "state.open": { one: "Open for {count} device", other: "Open for {count} devices" },
  "state.protected": "Protected",
  "state.unavailable": "State unknown",
  "state.unconfirmed": "Kill switch not confirmed",
  "state.waiting": "Reconnecting",

  "time.until": "until {time}",

  "traffic.down": "Down",
  "traffic.title": "Just now",
  "traffic.up": "Up",

  "why.blocked": "The tunnel is down, so nothing leaves.",
  "why.connecting": "Everything stays blocked until the tunnel is up.",
  "why.disconnected": "You have disconnected: no device reaches the Internet.",
  "why.lost": "This page hears nothing from the gateway.",
  "why.open": "Somebody has let them out without the VPN. All others stay behind the kill switch.",
  "why.protected": "Everything leaves encrypted, or not at all.",
  "why.unavailable": "The network service does not answer. The rules last in force still hold.",
  "why.unconfirmed": "The rules in the kernel are not those that should be there.",
  "why.waiting": "The page has lost the gateway for a moment, and tries again.",

  ...adding,
  ...device,
  ...errors,
  ...exits,
  ...firstRun,
  ...protection,
  ...servers,
  ...settings,
};
