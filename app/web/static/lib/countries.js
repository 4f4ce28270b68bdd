/** The names of countries in the reader's language (pure); providers name them in English. */

const LETTERS = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];

/** @param {string} language */
const namesIn = (language) => new Intl.DisplayNames([language], { type: "region", fallback: "none" });

/** @type {Map<string, string>} English name -> code; made when first asked for, since it takes a phone its time */
const CODES = new Map();

/** @param {string} name */
function codeOf(name) {
  if (!CODES.size) {
    const english = namesIn("en");
    for (const code of LETTERS.flatMap((first) => LETTERS.map((second) => first + second))) {
      const country = english.of(code);
      if (country) CODES.set(country, code);
    }
  }
  return CODES.get(name);
}

/**
 * @param {string} name As the provider writes it.
 * @param {string} language
 * @param {string | null} [code] ISO 3166-1 alpha-2, where the provider's list has it.
 */
export function countryIn(name, language, code) {
  if (!code && language.startsWith("en")) return name;
  const known = code?.toUpperCase() ?? codeOf(name);
  return (known && namesIn(language).of(known)) || name;
}
