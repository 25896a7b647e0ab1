/** Waiting for what must become true: polls a condition until a deadline, never just sleeps. */

/** What nothing takes, however busy the machine. */
export const DEADLINE_MS = 180_000
const POLL_MS = 40

/**
 * Resolves with the first truthy answer of `condition`.
 *
 * @template T
 * @param {string} what for the failure message: what was waited for
 * @param {() => T | Promise<T>} condition
 * @param {number} [deadlineMs]
 * @returns {Promise<NonNullable<T>>}
 */
export async function until(what, condition, deadlineMs = DEADLINE_MS) {
  const deadline = performance.now() + deadlineMs
  let last
  for (;;) {
    last = await condition()
    if (last) return /** @type {NonNullable<T>} */ (last)
    if (performance.now() > deadline) throw new Error(`waited ${deadlineMs} ms in vain: ${what}`)
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
  }
}
