/** English: the words of protection. */

export default {};
