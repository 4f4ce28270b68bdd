/** German: the words of adding. */

export default {};
