/** English: the words of servers. */

export default {};
