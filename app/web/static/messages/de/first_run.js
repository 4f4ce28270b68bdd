/** German: the words of first run. */

export default {};
