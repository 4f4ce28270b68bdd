/** The words of an exit: its sentence, and what it does just now. */

import { blockedWhy } from "../../api/errors.js";
import { exitOf, policyOf } from "../../lib/policy.js";
import { moment, span } from "../../lib/time.js";
import { say } from "../../messages/messages.js";
import { now } from "../../store/clock.js";
import { devices, status, statusAt } from "../../store/gateway.js";
import { placeName, providerName, targetName } from "../../store/names.js";
import { locale } from "../../store/preferences.js";
import { exitStatus, isStale, toneOf } from "../../store/tone.js";

/** @import { ExitBody, ExitStatus, Fallback } from "../../../types/api.d.ts" */

/** @param {string} name The devices that leave by it now. */
export const usersOf = (name) => (devices.value ?? []).filter((each) => exitOf(each.policy) === name);

/**
 * @param {string} target
 * @param {string} provider
 */
const by = (target, provider) => say("exits.by", { place: targetName(target), provider: providerName(provider) });

/** @param {ExitBody} exit The provider that it uses where nothing else is said. */
export const providerOf = (exit) => exit.provider ?? status.value?.current_provider ?? "";

/** @param {ExitBody} exit */
function first(exit) {
  const shown = exitStatus(exit.name);
  const provider = shown?.provider ?? providerOf(exit);
  const asked = shown?.fallback_for ?? shown?.asked ?? shown?.server ?? exit.target;
  if (!asked) return null;
  const exact = asked === shown?.server && shown.location && shown.location !== "Unknown";
  return say("exits.by", {
    place: exact ? placeName(shown.location ?? "") : targetName(asked),
    provider: providerName(provider),
  });
}

/** @param {ExitBody} exit "Sweden by Mullvad, else Denmark; 3 devices" */
export function sentenceOf(exit) {
  const count = usersOf(exit.name).length;
  const users = count ? say("exits.devices", { count }) : say("exits.no_devices");
  const place = first(exit) ?? say("exits.nowhere");
  return say("exits.sentence", {
    place: [place, ...exit.fallbacks.map((each) => fallback(exit, each))].join(", "),
    users,
  });
}

/**
 * @param {ExitBody} exit
 * @param {Fallback} other
 */
function fallback(exit, other) {
  const elsewhere = other.provider && other.provider !== providerOf(exit);
  return say("exits.else", { place: elsewhere ? by(other.target, other.provider ?? "") : targetName(other.target) });
}

/**
 * @param {ExitBody} exit
 * @returns {{ tone: string; text: string; why: string }}
 */
export function stateOf(exit) {
  const shown = exitStatus(exit.name);
  if (isStale() || !shown) return { tone: "stale", text: say("exits.unknown"), why: "" };
  const tone = toneOf(policyOf(exit.name));
  switch (shown.state) {
    case "connected":
      return {
        tone,
        text: shown.since
          ? say("exits.connected", { time: moment(shown.since, now.value, locale.value) })
          : say("exits.on"),
        why: connectedWhy(exit, shown.fallback_for),
      };
    case "connecting":
      return { tone: "connecting", text: say("exits.connecting"), why: say("exits.connecting_why") };
    case "blocked":
      return { tone: "blocked", text: say("exits.blocked"), why: stoppedWhy(shown) };
    default:
      return { tone: "stale", text: say("exits.off"), why: say("exits.off_why") };
  }
}

/**
 * @param {ExitBody} exit
 * @param {string | null} instead The server that was asked for, while another one is used.
 */
function connectedWhy(exit, instead) {
  const shown = exitStatus(exit.name);
  if (shown?.switching_to) return say("exits.switching", { server: shown.switching_to });
  if (instead) return say("exits.fallback", { asked: instead, server: shown?.server ?? "" });
  return [shown?.server, shown?.ip].filter(Boolean).join(" · ");
}

/** @param {ExitStatus} exit Why it is blocked, and when the gateway tries again. */
function stoppedWhy(exit) {
  const why = blockedWhy(exit);
  const { retry_in: retry } = exit;
  if (retry === null) return why;
  const left = retry - (performance.now() - statusAt.value) / 1000;
  const next = now.value && left > 0 ? say("next.retry", { time: span(left, locale.value) }) : say("next.retry_now");
  return `${why}${/[.!?]$/.test(why) ? "" : "."} ${next}`;
}
