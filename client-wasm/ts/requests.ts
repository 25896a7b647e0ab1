/**
 * Requests to create, delete and undelete entities that have not been answered.
 *
 * Each is settled once, whatever becomes of the core that it was made to.
 */

import { type Deferred, deferred } from './listeners.js'

/** The requests of one client. */
export class Requests {
  readonly #sent = new Map<number, Deferred<string>>()
  #unsent = 0

  /** Whether the core waits for an answer. */
  get waiting(): boolean {
    return this.#sent.size > 0
  }

  /** How many the core does not have yet, since it is being loaded. */
  get unsent(): number {
    return this.#unsent
  }

  /** Makes a request as soon as `ask` can; `answer` resolves with the name of the entity. */
  async add(ask: () => Promise<number>): Promise<{ readonly answer: Promise<string> }> {
    const { promise, resolve, reject } = deferred<string>()
    this.#unsent += 1
    try {
      this.#sent.set(await ask(), { promise, resolve, reject })
    } finally {
      this.#unsent -= 1
    }
    return { answer: promise }
  }

  /** The request of that number is answered. */
  settle(number: number, settle: (request: Deferred<string>) => void): void {
    const request = this.#sent.get(number)
    this.#sent.delete(number)
    if (request !== undefined) settle(request)
  }

  /** No answer will come. */
  rejectAll(error: Error): void {
    for (const request of this.#sent.values()) request.reject(error)
    this.#sent.clear()
  }
}
