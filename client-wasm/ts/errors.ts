/** The errors that the client throws and rejects with. Every one has a stable `code`. */

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
 * An edit broke rules of the policy. Thrown by a call: nothing of it was applied. From the server:
 * what it refused is lost, all of it is in `dropped`, and the rest of the edits goes on.
 */
export class PolicyError extends IndelibleError {
  override readonly name = 'PolicyError'
  readonly violations: readonly Violation[]
  readonly dropped: readonly Dropped[]

  constructor(
    violations: readonly Violation[],
    message?: string,
    code = 'policy',
    dropped: readonly Dropped[] = [],
  ) {
    super(code, message ?? describe(violations))
    this.violations = violations
    this.dropped = dropped
  }
}

/** Something is asked of a client that has ended. */
export function closedError(): IndelibleError {
  return new IndelibleError('closed', 'the client has been closed')
}

/** The core takes strings on trust: anything else would be the end of it, and of all edits in it. */
export function assertText(given: unknown, what: string): asserts given is string {
  if (typeof given === 'string') return
  const found = given === null ? 'null' : typeof given
  throw new IndelibleError('name', `${what} must be a string, not ${found}`)
}

/** Whether something is a JSON Pointer (RFC 6901). */
export function assertPointer(given: unknown): asserts given is string {
  assertText(given, 'a pointer')
  if (/^(\/([^~]|~[01])*)?$/su.test(given)) return
  const form = "a JSON pointer is empty or begins with '/', and has '~' only in '~0' and '~1'"
  throw new IndelibleError('name', `${JSON.stringify(given)} is no pointer: ${form}`)
}

/** Whether something can be called later; it would fail where nobody can tell whose it is. */
export function assertFunction(given: unknown, what: string): void {
  if (typeof given === 'function') return
  const found = given === null ? 'null' : typeof given
  throw new IndelibleError('argument', `${what} must be a function, not ${found}`)
}

/** Why the core does not take something by its name. */
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
