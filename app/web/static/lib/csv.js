/** Rows as a file for spreadsheets, as RFC 4180 has it (pure). */

/** @param {string | number | null} cell */
function quoted(cell) {
  const text = cell === null ? "" : String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @param {(string | number | null)[][]} rows */
export const csv = (rows) => rows.map((row) => `${row.map(quoted).join(",")}\r\n`).join("");
