/** Asks a program for its token, and checks what it gives. */

import type { TokenReason, TokenSource } from './types.js'

/** How long a callback may take. What asks a person first has to ask before it is needed. */
const ANSWER_MS = 60_000

/**
 * More than any server takes. A server cannot read a first message that is too long, and reports no
 * more than that.
 */
const BYTES_MAX = 32_768

/**
 * The token to present; `null`: none, on purpose.
 *
 * Throws what the callback throws, and a `TypeError` when it or the option is neither a string nor
 * `null`, or too long: a forgotten `return` or an expired login must not make a person anonymous.
 * Throws, too, when the callback gives nothing in time.
 */
export async function askForToken(
  source: TokenSource,
  reason: TokenReason,
): Promise<string | null> {
  const given: unknown =
    typeof source === 'function' ? await inTime(source(reason)) : (source ?? null)
  if (given === null) return given
  const bytes = typeof given === 'string' ? new TextEncoder().encode(given).length : 0
  if (typeof given === 'string' && bytes > 0 && bytes <= BYTES_MAX) return given
  const what = bytes === 0 ? named(given) : `a text of ${bytes} bytes`
  const form = bytes === 0 ? 'a token' : `a token of at most ${BYTES_MAX} bytes`
  throw new TypeError(
    typeof source === 'function'
      ? `the token callback gave ${what}; it has to give ${form}, or null to be anonymous on purpose`
      : `the option token is ${what}; it has to be ${form}, a callback that gives one, or null to be anonymous on purpose`,
  )
}

function named(given: unknown): string {
  if (given === undefined) return 'undefined'
  if (given === '') return 'an empty string'
  if (given instanceof Promise) return 'a Promise'
  const type = typeof given
  return type === 'object' ? 'an object' : `a ${type}`
}

async function inTime<T>(answer: T | Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    const message = `the token callback gave nothing in ${ANSWER_MS / 1_000} seconds`
    timer = setTimeout(() => reject(new Error(message)), ANSWER_MS)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
