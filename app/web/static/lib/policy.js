/** Policies as the API writes them: "vpn", "vpn:<exit>", "direct", "blocked", "waiting" (pure). */

/**
 * The exit that a policy names; null where it names none.
 *
 * @param {string} policy
 */
export function exitOf(policy) {
  if (policy === "vpn") return "default";
  return policy.startsWith("vpn:") ? policy.slice("vpn:".length) : null;
}

/** @param {string} exit */
export const policyOf = (exit) => (exit === "default" ? "vpn" : `vpn:${exit}`);
