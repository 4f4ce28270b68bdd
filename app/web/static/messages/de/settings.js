/** German: the words of settings. */

export default {};
