/** Changes to what is saved whole: each is made to what the gateway has by then, so that none undoes the one before it. */

/** @returns {<T>(change: () => Promise<T>) => Promise<T>} Makes a change once the one before it is through, well or not. */
export function inTurn() {
  /** @type {Promise<unknown>} */
  let last = Promise.resolve();
  return (change) => {
    const done = last.catch(() => null).then(change);
    last = done;
    return done;
  };
}
