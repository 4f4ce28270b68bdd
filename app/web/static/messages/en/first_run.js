/** English: the words of first run. */

export default {};
