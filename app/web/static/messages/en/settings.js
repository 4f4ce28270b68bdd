/** English: the words of settings. */

export default {};
