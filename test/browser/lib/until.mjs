/**
 * Waits until look returns something true, and returns it. Looks again every few milliseconds, since what is waited for
 * happens in another process; says what was missing when the time is over.
 *
 * @template T
 * @param {string} what
 * @param {() => T | Promise<T>} look
 * @param {number} [within] milliseconds
 * @returns {Promise<T>}
 */
export async function until(what, look, within = 20_000) {
  const deadline = Date.now() + within;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited ${within} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}
