/**
 * Whether the other end still answers. Neither browsers nor networks report that a connection is
 * dead: it merely stays silent.
 *
 * A connection counts as dead only after it was probed and did not answer, while this program was
 * awake and nothing of ours was still being sent.
 */

/** Silence after which the server is asked for a sign of life. */
export const PROBE_AFTER_MS = 30_000
/** How long its answer may take. */
export const ANSWER_WITHIN_MS = 5_000
/** The same where the server owes us an answer already. */
const PROBE_OWED_AFTER_MS = 15_000
/** How often to check whether this machine has slept. */
const LOOK_MS = 10_000
/** A timer that fires this late was held up: the program or machine was asleep. */
const ASLEEP_MS = 10_000
/** A snapshot on a slow line delays the answer behind it: after a missed answer the time doubles. */
const DOUBLINGS_MAX = 5
/** Timers with a longer delay run at once. */
const WAIT_MAX_MS = 2 ** 31 - 1

/** How long a connection may be silent, in milliseconds. */
export interface SilenceOptions {
  readonly probeAfter?: number | undefined
  readonly answerWithin?: number | undefined
}

/** The connection that is watched. */
export interface PulseHost {
  /** Asks for a sign of life. */
  ping(): void
  /** Bytes that are still to be sent. */
  buffered(): number
  /** There was no answer. */
  dead(): void
}

/** Watches one connection after the other. */
export class Pulse {
  readonly #host: PulseHost
  readonly #probeAfter: number
  readonly #answerWithin: number
  #timer: ReturnType<typeof setTimeout> | undefined = undefined
  #due = 0
  #heardAt = 0
  /** When the server was asked; `null`: it was not, or has answered. */
  #askedAt: number | null = null
  #buffered = 0
  #owed = false
  /** How many connections in a row were called dead. */
  #missed = 0

  constructor({ probeAfter, answerWithin }: SilenceOptions, host: PulseHost) {
    this.#host = host
    this.#probeAfter = probeAfter ?? PROBE_AFTER_MS
    this.#answerWithin = answerWithin ?? ANSWER_WITHIN_MS
  }

  /** A connection is there. */
  start(): void {
    this.stop()
    this.#heardAt = Date.now()
    this.#rest()
  }

  /** It is gone. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#askedAt = null
    this.#owed = false
  }

  /** Something arrived: whatever it is, it is a sign of life. */
  heard(): void {
    const now = Date.now()
    this.#heardAt = now
    this.#owed = false
    if (this.#askedAt === null) return
    if (now - this.#askedAt <= this.#answerWithin) this.#missed = 0
    this.#askedAt = null
    this.#rest()
  }

  /** The server owes us an answer, so silence means more. */
  expect(): void {
    if (this.#owed || this.#timer === undefined) return
    this.#owed = true
    if (this.#askedAt === null) this.#rest()
  }

  /** Probes now: there is reason to doubt. */
  probe(): void {
    if (this.#timer === undefined || this.#askedAt !== null) return
    this.#askedAt = Date.now()
    this.#wait(this.#answerWithin * 2 ** Math.min(this.#missed, DOUBLINGS_MAX))
    this.#host.ping()
    this.#buffered = this.#host.buffered()
  }

  /** How much silence is tolerated. */
  get #patience(): number {
    return this.#owed ? Math.min(this.#probeAfter, PROBE_OWED_AFTER_MS) : this.#probeAfter
  }

  /** Until the next look. */
  #rest(): void {
    const left = this.#heardAt + this.#patience - Date.now()
    this.#wait(Math.min(Math.max(left, 0), LOOK_MS))
  }

  #wait(delay: number): void {
    clearTimeout(this.#timer)
    const wait = Math.min(delay, WAIT_MAX_MS)
    this.#due = Date.now() + wait
    this.#timer = setTimeout(() => this.#look(), wait)
  }

  #look(): void {
    const now = Date.now()
    const asleep = now - this.#due > ASLEEP_MS
    if (this.#askedAt === null) {
      if (asleep || now - this.#heardAt >= this.#patience) this.probe()
      else this.#rest()
      return
    }
    const buffered = this.#host.buffered()
    if (asleep || buffered < this.#buffered) {
      // An answer may have come meanwhile and wait to be read, or ours is still on its way.
      this.#askedAt = null
      this.probe()
      return
    }
    this.#missed += 1
    this.stop()
    this.#host.dead()
  }
}
