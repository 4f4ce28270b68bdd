/** German: the words of servers. */

export default {};
