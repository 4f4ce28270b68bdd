/** English: the words of adding. */

export default {};
