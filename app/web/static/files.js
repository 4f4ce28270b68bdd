/**
 * Server names from file names, and the encoding of files: the rules of app/filenames.py and app/encoding.py, tested with
 * the same examples (tests/data/files.json).
 */

const MAX_NAME_LENGTH = 64; // characters
const FORBIDDEN = "\0";

/**
 * The name that the gateway gives to the server of a file.
 *
 * @param {string} file
 */
export function serverName(file) {
  let name = file
    .trim()
    .replace(/(\.(conf|txt))*$/i, "")
    .normalize("NFC");
  name = name.replace(/['`\u00b4\u2018\u2019]/g, "").replace(/[^\p{L}\p{M}\p{N}._ -]/gu, FORBIDDEN);
  name = name.replace(/[\0 ]+$/, "").replace(/^[^\p{L}\p{N}]+/u, "");
  name = name.replace(/[\0 ]+/g, (run) => (run.includes(" ") ? " " : "-")).normalize("NFC");
  return [...name].slice(0, MAX_NAME_LENGTH).join("").trimEnd() || "server";
}

/**
 * The text of a file: UTF-8 or UTF-16, with or without a byte order mark, else Windows-1252.
 *
 * @param {ArrayBuffer} buffer
 */
export function decode(buffer) {
  const bytes = new Uint8Array(buffer);
  const [a, b] = bytes;
  let encoding = "utf-8";
  if ((a === 0xff && b === 0xfe) || (a && b === 0)) encoding = "utf-16le";
  else if ((a === 0xfe && b === 0xff) || (a === 0 && b)) encoding = "utf-16be";
  try {
    return new TextDecoder(encoding, { fatal: encoding === "utf-8" }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes).replace(/[\x80-\x9f]/g, "\ufffd"); // bytes without a character
  }
}
