/** German: the words of protection. */

export default {};
