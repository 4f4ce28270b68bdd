/** The browser and system that a User-Agent names (pure). */

/** @type {Record<string, string>} the common names of browsers that a User-Agent abbreviates */
const NAMES = { Edg: "Edge", OPR: "Opera" };
const BROWSERS = ["Edg", "OPR", "Firefox", "Chrome", "Safari"];
const SYSTEMS = ["Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux"];

/**
 * @param {string} agent
 * @returns {{ browser: string; system: string } | null} null where it is none of the known browsers
 */
export function agentName(agent) {
  const browser = BROWSERS.find((name) => agent.includes(name));
  if (!browser) return null;
  return { browser: NAMES[browser] ?? browser, system: SYSTEMS.find((name) => agent.includes(name)) ?? "" };
}
