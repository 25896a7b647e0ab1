/**
 * Telling subscribers. State is brought up to date first and told afterwards, in order: a
 * listener that edits sees its edit at once, and no listener hears of things the wrong way round.
 */

import { assertFunction } from './arguments.js'
import type { Unsubscribe } from './types.js'

/** What is still to be told, for one client. */
export class NotificationQueue {
  readonly #waiting: (() => void)[] = []
  #flushing = false

  add(notice: () => void): void {
    this.#waiting.push(notice)
  }

  /** Tells everything, including what is added by those who are told. */
  flush(): void {
    if (this.#flushing) return
    this.#flushing = true
    try {
      for (let notice = this.#waiting.shift(); notice; notice = this.#waiting.shift()) notice()
    } finally {
      this.#flushing = false
    }
  }
}

/** The subscribers of one thing. */
export class Listeners<Arguments extends readonly unknown[]> {
  readonly #listeners = new Set<(...args: Arguments) => void>()

  add(listener: (...args: Arguments) => void): Unsubscribe {
    assertFunction(listener, 'a listener')
    // A function of its own for each subscription: the same listener may subscribe twice.
    const own = (...args: Arguments): void => listener(...args)
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
    }
  }

  /** A listener that throws spoils nothing for the others; its error is reported as uncaught. */
  notify(...args: Arguments): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(...args)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}

/** A promise together with its settling functions; nobody has to look at its rejection. */
export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: Error) => void
}

/** A fresh `Deferred`. */
export function deferred<T>(): Deferred<T> {
  let settle: Omit<Deferred<T>, 'promise'> | undefined
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject }
  })
  promise.catch(() => undefined)
  return { promise, ...(settle as Omit<Deferred<T>, 'promise'>) }
}
