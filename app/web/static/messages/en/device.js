/** English: the words of device. */

export default {};
