/** Asking a program for its token, and telling what is not one. */

import type { TokenReason, TokenSource } from './types.js'

/**
 * The token to present; `null`: none, on purpose.
 *
 * Throws what the callback throws, and a `TypeError` when it gives neither a string nor `null`: a
 * forgotten `return` or an expired login must not make somebody anonymous.
 */
export async function askForToken(
  source: TokenSource,
  reason: TokenReason,
): Promise<string | null> {
  const given: unknown = await (typeof source === 'function' ? source(reason) : (source ?? null))
  if (given === null || (typeof given === 'string' && given !== '')) return given
  const what = given === '' ? 'an empty string' : given === undefined ? 'undefined' : typeof given
  throw new TypeError(
    `the token callback gave ${what}; it has to give a token, or null to be anonymous on purpose`,
  )
}
