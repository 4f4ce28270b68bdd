/** German: the words of device. */

export default {};
