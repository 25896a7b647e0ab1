/** The errors that the client throws and rejects with. Every one has a stable `code`. */

import type { RefusalCode } from './refusal-codes.js'
import type { Dropped, Violation } from './types.js'

/** Base of all errors of this package. */
export class IndelibleError extends Error {
  override readonly name: string = 'IndelibleError'
  /** Stable code, such as `not-ready`, `closed`, `unauthorized`, `gone`. */
  readonly code: string

  constructor(code: string, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/**
 * An edit broke rules of the policy. Thrown by a call: nothing was applied. From the server: what it
 * refused is lost, all of it is in `dropped`, and the rest of the edits remains pending.
 */
export class PolicyError extends IndelibleError {
  override readonly name = 'PolicyError'
  /** `policy`, or the other code with which the server refused it; a later server may have more. */
  declare readonly code: RefusalCode | (string & {})
  readonly violations: readonly Violation[]
  readonly dropped: readonly Dropped[]

  constructor(
    violations: readonly Violation[],
    message?: string,
    code: RefusalCode | (string & {}) = 'policy',
    dropped: readonly Dropped[] = [],
  ) {
    super(code, message ?? describe(violations))
    this.violations = violations
    this.dropped = dropped
  }
}

/** Why something failed, as far as the thrown value says: programs throw texts and objects, too. */
export function reasonOf(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown
  const held = thrown as { readonly message?: unknown } | null | undefined
  return typeof held?.message === 'string' ? held.message : ''
}

/** The client has been closed. */
export function closedError(): IndelibleError {
  return new IndelibleError('closed', 'the client has been closed')
}

/** The error that the core throws at a call, if any. */
export function refusalOf(ask: () => void): IndelibleError | null {
  try {
    ask()
    return null
  } catch (error) {
    if (error instanceof IndelibleError) return error
    throw error
  }
}

function describe(violations: readonly Violation[]): string {
  const [first] = violations
  if (first === undefined) return 'the edit was refused'
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : ''
  return `${first.message}${more}`
}
