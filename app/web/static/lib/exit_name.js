/** The name that the API knows an exit by, made of what people call it (pure). */

const LONGEST = 32;
const POLICIES = ["vpn", "direct", "blocked"];

/**
 * @param {string} label
 * @param {string[]} taken
 */
export function exitNameOf(label, taken) {
  const plain = label.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const name =
    plain
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^-+/, "")
      .slice(0, LONGEST - 3)
      .replace(/-+$/, "") || "exit";
  const refused = new Set([...taken, ...POLICIES]);
  if (!refused.has(name)) return name;
  let number = 2;
  while (refused.has(`${name}-${number}`)) number += 1;
  return `${name}-${number}`;
}
