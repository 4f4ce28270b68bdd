/** What is about to be added: read here, checked by the gateway without storing anything, then added. */

import { ApiError, ask, post } from "../../api/client.js";
import { sentence, sentenceOf } from "../../api/errors.js";
import { decode } from "../../lib/files.js";
import { say } from "../../messages/messages.js";

/** @import { ArchiveAnswer, FileResult, ImportBody, ListOffer } from "../../../types/api.d.ts" */

/**
 * What the gateway says of one configuration: the name that its server gets, what is left out of it, or why it cannot be
 * used.
 *
 * @typedef {{ file: string; name: string; warnings: string[]; problem: string | null; opens: ListOffer | null }} Finding
 */
/**
 * One file, paste or picture. `name` is what the reader wants it to be called, where that is not the file's own name.
 *
 * @typedef {{ id: number; file: string; config: string | null; archive: Blob | null; name: string | null;
 *   findings: Finding[] }} Candidate
 */

const LARGEST = 256 * 1024; // bytes of a configuration; real ones have a few hundred
const LARGEST_ARCHIVE = 4 * 1024 * 1024;

/** @param {string} file @param {string} problem @returns {Finding} */
const unusable = (file, problem) => ({ file, name: "", warnings: [], problem, opens: null });

/** @param {File} file */
const isArchive = (file) => /\.zip$/i.test(file.name) || file.type === "application/zip";

/**
 * Read and check a file that was dropped or chosen.
 *
 * @param {File} file
 * @param {number} id
 * @returns {Promise<Candidate>}
 */
export async function read(file, id) {
  const archive = isArchive(file);
  const candidate = { id, file: file.name, config: null, archive: archive ? file : null, name: null };
  if (file.size > (archive ? LARGEST_ARCHIVE : LARGEST))
    return { ...candidate, archive: null, findings: [unusable(file.name, say("adding.too_large"))] };
  if (archive) return check({ ...candidate, findings: [] });
  return check({ ...candidate, config: decode(await file.arrayBuffer()), findings: [] });
}

/**
 * The candidate with what the gateway finds in it; nothing is stored.
 *
 * @param {Candidate} candidate
 * @returns {Promise<Candidate>}
 */
export const check = async (candidate) => ({ ...candidate, findings: await send(candidate, true) });

/**
 * Add it. What cannot be used is left out, and said.
 *
 * @param {Candidate} candidate
 */
export const add = (candidate) => send(candidate, false);

/**
 * @param {Candidate} candidate
 * @param {boolean} dryRun
 * @returns {Promise<Finding[]>}
 */
async function send({ file, config, archive, name }, dryRun) {
  try {
    if (archive) return await sendArchive(archive, dryRun);
    if (config === null) return [];
    /** @type {ImportBody} */
    const body = { config, dry_run: dryRun, ...(name === null ? { file } : { name }) };
    const { server, warnings, opens } = await post("/api/import", body);
    return [{ file, name: server ?? name ?? "", warnings: warnings ?? [], problem: null, opens: opens ?? null }];
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return [{ ...unusable(file, sentenceOf(error)), name: error.field === "name" ? (name ?? "") : "" }];
  }
}

/**
 * @param {Blob} archive
 * @param {boolean} dryRun
 */
async function sendArchive(archive, dryRun) {
  const path = `/api/import/bulk?mode=each${dryRun ? "&dry_run=true" : ""}`;
  const answer = await ask("POST", path, { type: "application/zip", body: archive });
  const { results } = /** @type {ArchiveAnswer} */ (await answer.json());
  return results.map(finding);
}

/**
 * @param {FileResult} result
 * @returns {Finding}
 */
const finding = ({ file, name, warnings, error, opens }) => ({
  file,
  name: name ?? "",
  warnings,
  problem: error && sentence(error),
  opens,
});
