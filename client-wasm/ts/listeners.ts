/**
 * Notifies subscribers. State is brought up to date first and listeners are called afterwards, in
 * order: a listener that edits sees its edit at once, and none is called with an older state after a
 * newer one.
 */

import { assertFunction } from './arguments.js'
import type { Unsubscribe } from './types.js'

/** The notifications of one client that have not been delivered. */
export class NotificationQueue {
  readonly #waiting: (() => void)[] = []
  #flushing = false

  add(notification: () => void): void {
    this.#waiting.push(notification)
  }

  /** Delivers everything, including what listeners add meanwhile. */
  flush(): void {
    if (this.#flushing) return
    this.#flushing = true
    try {
      for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) next()
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

  /** Calls all of them. One that throws does not affect the others; its error is reported as uncaught. */
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

/** A promise together with its settling functions; its rejection need not be handled. */
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
