/** German: the words of exits. */

export default {};
