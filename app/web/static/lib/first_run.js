/** The steps of the first run and their addresses (pure). */

/** @typedef {"password" | "provider" | "server" | "proof" | "done"} Step */

/** @type {Step[]} */
export const STEPS = ["password", "provider", "server", "proof", "done"];

/** @param {Step} step */
export const addressOf = (step) => (step === "password" ? "/welcome" : `/welcome/${step}`);

/** @param {Step} step The one after it; the last has none. */
export const after = (step) => STEPS[STEPS.indexOf(step) + 1] ?? null;
