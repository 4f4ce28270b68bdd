/** The names of countries in the reader's language (pure); providers name them in English. */

const LETTERS = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];

/** @param {string} language */
const namesIn = (language) => new Intl.DisplayNames([language], { type: "region", fallback: "none" });

const english = namesIn("en");
/** @type {Map<string, string>} English name -> code */
const CODES = new Map(
  LETTERS.flatMap((first) => LETTERS.map((second) => first + second)).flatMap((code) => {
    const name = english.of(code);
    return name ? [[name, code]] : [];
  }),
);

/**
 * @param {string} name As the provider writes it.
 * @param {string} language
 * @param {string | null} [code] ISO 3166-1 alpha-2, where the provider's list has it.
 */
export function countryIn(name, language, code) {
  const known = code?.toUpperCase() ?? CODES.get(name);
  return (known && namesIn(language).of(known)) || name;
}
