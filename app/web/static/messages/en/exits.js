/** English: the words of exits. */

export default {};
