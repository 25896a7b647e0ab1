/**
 * One WebSocket after the other: asks for a token, connects, waits longer after each failure.
 *
 * At most one socket is alive, and nothing from an abandoned socket reaches the sink. Frames are
 * bytes here.
 */

import { diagnose } from './diagnosis.js'
import { endpoint } from './endpoint.js'
import { IndelibleError, reasonOf } from './errors.js'
import { DELAY_MAX_MS } from './options.js'
import { watchPage } from './page.js'
import { Pulse, type SilenceOptions } from './pulse.js'
import { askForToken } from './token.js'
import type {
  Fault,
  TokenReason,
  TokenSource,
  UrlLike,
  WebSocketConstructor,
  WebSocketLike,
} from './types.js'

/** The WebSocket subprotocol. */
export const SUBPROTOCOL = 'indelible.v1'

/** The state of a socket that has ended. */
const CLOSED = 3

const DELAY_MIN_MS = 250
/** Failed attempts in a row after which the cause is looked for. */
const FAILURES_UNEXPLAINED = 3
/** From the start of an attempt to the server's welcome. */
const HANDSHAKE_MS = 15_000
/** Fresh tokens are asked for no more often than this, however often the server gives notice. */
const REFRESH_MIN_MS = 500
/** How long until a fresh token is asked for again after a failure; doubles up to the limit. */
const REFRESH_AGAIN_MIN_MS = 1_000
const REFRESH_AGAIN_MAX_MS = 30_000
/** A connection that lasted this long was a good one: the next delay starts from the minimum. */
const STABLE_MS = 5_000

const CLOSE_NORMAL = 1000
const CLOSE_GOING_AWAY = 1001
const CLOSE_ABNORMAL = 1006
const CLOSE_GIVEN_UP = 4000
/** The server does not accept the token. */
const CLOSE_UNAUTHORIZED = 4401
/** A fresh token brought other rights. */
const CLOSE_RIGHTS_CHANGED = 4409

const SILENT: Fault = {
  code: 'silent',
  message: 'the server gives no sign of life: the connection to it is lost',
}

const MUTE: Fault = {
  code: 'silent',
  message:
    'the connection opens, but the server says nothing through it: something on the way may not pass on what is sent',
}

const CUT: Fault = {
  code: 'silent',
  message:
    'the connection opens, but is closed before the server says anything: something on the way may cut it',
}

const BLOCKED: Fault = {
  code: 'blocked-by-page',
  message:
    'a rule of this page (Content-Security-Policy, connect-src) does not let it connect to the server',
}

const GARBLED: Fault = {
  code: 'not-understood',
  message: 'this client could not read what the server sent: it may be of another version',
}

/** Whom a connection serves. */
export interface ConnectionSink {
  onConnecting(): void
  /** The socket is open; the handshake of the protocol comes next. */
  onOpen(token: string | undefined): void
  /** A fresh token for the connection that is there. */
  onFreshToken(token: string): void
  /** A fault that does not end a connection: no fresh token, or why there is no connection. */
  onFault(fault: Fault): void
  /** The server is to be asked for a sign of life. */
  onSilence(): void
  onFrame(frame: Uint8Array): void
  /**
   * The socket is gone. `ended`: the server does not accept the token, and there is no other one, for
   * now or for good.
   */
  onClosed(fault: Fault | null, ended: boolean): void
}

/** How to connect. */
export interface ConnectionOptions {
  readonly url: string | UrlLike
  readonly token: TokenSource
  readonly WebSocket: WebSocketConstructor | undefined
  readonly delayMin: number | undefined
  readonly delayMax: number | undefined
  readonly silence: SilenceOptions
}

/** A connection that is made again whenever it breaks. */
export class Connection {
  readonly #options: ConnectionOptions
  readonly #token: TokenSource
  readonly #delayMin: number
  readonly #delayMax: number
  readonly #sink: ConnectionSink
  #url = ''
  #WebSocket: WebSocketConstructor | null = null
  #running = false
  #socket: WebSocketLike | null = null
  /** Counts attempts, so that late news of an abandoned one can be recognised. */
  #attempt = 0
  #failures = 0
  /** Attempts in a row that brought no open socket. */
  #unopened = 0
  #diagnosing = false
  /** Whether the page's own rules forbade the last attempt. */
  #blocked = false
  /** Whether the page was left, perhaps to come back. */
  #left = false
  #retryAt: number | null = null
  #welcomedAt: number | null = null
  #rejected: string | undefined = undefined
  /** Why it was. */
  #refusal: Fault | null = null
  /** Why the next connection asks for a token. */
  #reason: TokenReason = 'start'
  /** The token that the server has from us last. */
  #presented: string | undefined = undefined
  /** Whether that came after the hello of this connection. */
  #refreshed = false
  /** Whether a fresh one is being asked for, or will be. */
  #refreshing = false
  #refreshedAt = 0
  #refreshFailures = 0
  #refreshTimer: ReturnType<typeof setTimeout> | undefined = undefined
  #timer: ReturnType<typeof setTimeout> | undefined = undefined
  #pauseTimer: ReturnType<typeof setTimeout> | undefined = undefined
  readonly #pulse: Pulse
  #unwatchPage = (): void => undefined

  constructor(options: ConnectionOptions, sink: ConnectionSink) {
    this.#options = options
    this.#token = options.token
    this.#delayMin = options.delayMin ?? DELAY_MIN_MS
    this.#delayMax = options.delayMax ?? DELAY_MAX_MS
    this.#sink = sink
    this.#pulse = new Pulse(options.silence, {
      ping: () => sink.onSilence(),
      buffered: () => this.#socket?.bufferedAmount ?? 0,
      dead: () => this.restart('no sign of life', SILENT),
    })
  }

  /** Whether it connects, is connected or waits to be. */
  get running(): boolean {
    return this.#running
  }

  /** When the next attempt begins, while one is waited for; milliseconds since the Unix epoch. */
  get retryAt(): number | null {
    return this.#retryAt
  }

  /**
   * Makes sure that there is a URL to connect to and a class to connect with.
   *
   * @throws IndelibleError `url` or `no-websocket`.
   */
  prepare(): void {
    if (this.#running) return
    this.#url = endpoint(this.#options.url)
    this.#WebSocket = webSocket(this.#options.WebSocket)
  }

  /** Connects, again and again until `stop`; throws like `prepare`. */
  start(): void {
    if (this.#running) return
    this.prepare()
    this.#running = true
    this.#failures = 0
    this.#rejected = undefined
    this.#reason = 'start'
    this.#unopened = 0
    this.#left = false
    this.#unwatchPage = watchPage({
      onWake: () => this.#wake(),
      onDoubt: () => this.#pulse.probe(),
      onLeave: () => this.#leave(),
      onReturn: () => this.#return(),
      onForbidden: address => this.#forbidden(address),
    })
    void this.#connect()
  }

  /** Closes for good (until the next `start`). */
  stop(): void {
    if (!this.#running) return
    this.#halt()
    this.#abandon(CLOSE_NORMAL, 'closed by the client')
    this.#sink.onClosed(null, true)
  }

  /** Sends one frame; `false` when there is no open socket to send it on. */
  send(frame: Uint8Array<ArrayBuffer>): boolean {
    if (this.#socket === null || this.#socket.readyState !== 1) return false
    this.#socket.send(frame)
    return true
  }

  /** Continues after a wait that the server asked for, unless the client is closed before. */
  pause(millis: number, goOn: () => void): void {
    clearTimeout(this.#pauseTimer)
    this.#pauseTimer = setTimeout(goOn, millis)
  }

  /** The server has welcomed us: the handshake is over, and the token is good. */
  welcomed(): void {
    clearTimeout(this.#timer)
    this.#welcomedAt = Date.now()
    this.#rejected = undefined
    this.#reason = 'start'
    this.#pulse.start()
  }

  /** The server says that the token ends soon: asks for a fresh one, if there is a callback. */
  refresh(): void {
    if (typeof this.#token !== 'function' || this.#socket === null || this.#refreshing) return
    this.#refreshAfter(this.#refreshedAt + REFRESH_MIN_MS - Date.now())
  }

  /** The server owes us an answer: it is asked sooner for a sign of life. */
  expectAnswer(): void {
    this.#pulse.expect()
  }

  /** Gives the socket up and opens a new one. */
  restart(reason: string, why: Fault | null = null): void {
    if (this.#socket === null) return
    this.#abandon(CLOSE_GIVEN_UP, reason)
    this.#lost(why)
  }

  /** The server sent something that no server of our version sends: gives the socket up with a fault. */
  refuse(reason: string): void {
    this.restart(reason, this.#welcomedAt === null ? foreign(this.#url) : GARBLED)
  }

  /** Replaces a good socket by a new one, at once. */
  renew(): void {
    if (!this.#running) return
    this.#abandon(CLOSE_NORMAL, 'connecting anew')
    void this.#connect()
  }

  /**
   * Connects at once where there is no connection: cuts the waiting time short, and replaces an
   * attempt that is under way, which may hang on a token, a socket or the welcome.
   */
  retry(): void {
    if (!this.#running || this.#left || this.#welcomedAt !== null) return
    this.#abandon(CLOSE_GIVEN_UP, 'tried again')
    void this.#connect()
  }

  /** Cuts the waiting time short. */
  #hurry(): void {
    if (this.#running && this.#retryAt !== null) void this.#connect()
  }

  /** The program, machine or network is back: waits end, and a silent connection is probed. */
  #wake(): void {
    this.#return()
    this.#hurry()
    this.#pulse.probe()
  }

  /** The page's rules forbade an address; that it was ours, its origin says: paths are left out. */
  #forbidden(address: string): void {
    const { origin, protocol } = new URL(this.#url)
    const isOurs = address.startsWith(origin) || `${address}:` === protocol
    if (!isOurs) return
    this.#blocked = true
    if (this.#running && this.#socket === null) this.#sink.onFault(BLOCKED)
  }

  #leave(): void {
    if (!this.#running || this.#left) return
    this.#left = true
    clearTimeout(this.#timer)
    this.#retryAt = null
    this.#abandon(CLOSE_GOING_AWAY, 'the page is left')
    this.#welcomedAt = null
    this.#sink.onClosed(null, false)
  }

  #return(): void {
    if (!this.#left) return
    this.#left = false
    if (this.#running) void this.#connect()
  }

  async #connect(): Promise<void> {
    clearTimeout(this.#timer)
    this.#retryAt = null
    this.#endRefresh()
    const attempt = ++this.#attempt
    this.#sink.onConnecting()
    let token: string | undefined
    try {
      token = (await askForToken(this.#token, this.#reason)) ?? undefined
    } catch (error) {
      if (attempt !== this.#attempt) return
      this.#lost(fault('token', 'no token could be had', error), this.#reason === 'rejected')
      return
    }
    if (attempt !== this.#attempt) return
    if (token !== undefined && token === this.#rejected) {
      this.#giveUp(this.#refusal ?? unauthorized(''))
      return
    }
    this.#presented = token
    this.#refreshed = false
    this.#open(attempt, token)
  }

  #refreshAfter(delay: number): void {
    this.#refreshing = true
    const attempt = this.#attempt
    this.#refreshTimer = setTimeout(() => void this.#askForFresh(attempt), Math.max(delay, 0))
  }

  async #askForFresh(attempt: number): Promise<void> {
    this.#refreshedAt = Date.now()
    let token: string | null
    try {
      token = await askForToken(this.#token, 'expiring')
    } catch (error) {
      if (attempt !== this.#attempt) return
      this.#sink.onFault(fault('token', 'no fresh token could be had', error))
      this.#askAgain()
      return
    }
    if (attempt !== this.#attempt) return
    if (token === null) {
      // Signed out on purpose.
      this.renew()
    } else if (token === this.#presented) {
      this.#askAgain()
    } else {
      this.#refreshing = false
      this.#refreshFailures = 0
      this.#presented = token
      this.#refreshed = true
      this.#sink.onFreshToken(token)
    }
  }

  #askAgain(): void {
    const delay = REFRESH_AGAIN_MIN_MS * 2 ** Math.min(this.#refreshFailures, 10)
    this.#refreshFailures += 1
    this.#refreshAfter(Math.min(delay, REFRESH_AGAIN_MAX_MS))
  }

  #endRefresh(): void {
    clearTimeout(this.#refreshTimer)
    this.#refreshing = false
    this.#refreshFailures = 0
  }

  #open(attempt: number, token: string | undefined): void {
    const WebSocket = this.#WebSocket ?? webSocket(this.#options.WebSocket)
    let socket: WebSocketLike
    try {
      socket = new WebSocket(this.#url, [SUBPROTOCOL])
      if (typeof socket.addEventListener !== 'function') {
        throw new TypeError('what the option WebSocket makes is not a WebSocket')
      }
      socket.binaryType = 'arraybuffer'
    } catch (error) {
      this.#lost(fault('connect', 'the connection could not be made', error))
      return
    }
    this.#socket = socket
    let opened = false
    this.#timer = setTimeout(() => {
      if (!opened) void this.#explain()
      this.restart('no welcome in time', opened ? MUTE : null)
    }, HANDSHAKE_MS)
    socket.addEventListener('open', () => {
      if (attempt !== this.#attempt) return
      opened = true
      this.#unopened = 0
      this.#blocked = false
      this.#sink.onOpen(token)
    })
    socket.addEventListener('message', event => {
      if (attempt !== this.#attempt) return
      this.#pulse.heard()
      if (event.data instanceof ArrayBuffer) this.#sink.onFrame(new Uint8Array(event.data))
      else this.refuse('not a binary frame')
    })
    const end = (event: { code: number; reason: string }): void => {
      if (attempt !== this.#attempt) return
      if (!opened) void this.#explain()
      this.#closed(event, opened)
    }
    socket.addEventListener('close', end)
    // Mostly a close event follows in the same task and says more. None does where the rules of a
    // page forbid the connection.
    socket.addEventListener('error', () => {
      if (socket.readyState === CLOSED) setTimeout(end, 0, { code: CLOSE_ABNORMAL, reason: '' })
    })
  }

  #closed(event: { code: number; reason: string }, opened: boolean): void {
    const cut = opened && this.#welcomedAt === null ? CUT : null
    // An answer of the token's callback that is still to come is for the connection that ended.
    this.#attempt += 1
    this.#socket = null
    this.#pulse.stop()
    this.#endRefresh()
    const refused = event.code === CLOSE_UNAUTHORIZED || event.code === CLOSE_RIGHTS_CHANGED
    if (refused && this.#refreshed) {
      // The fresh token is a different person's, brings other rights, or is not valid: a hello tells.
      if (event.code === CLOSE_UNAUTHORIZED) this.#reason = 'rejected'
      this.#welcomedAt = null
      this.#sink.onClosed(null, false)
      void this.#connect()
      return
    }
    if (event.code !== CLOSE_UNAUTHORIZED) {
      this.#lost(closing(event.code) ?? cut)
      return
    }
    const refusal = unauthorized(event.reason)
    const renewable = typeof this.#token === 'function' && this.#rejected === undefined
    const token = this.#presented
    if (!renewable || token === undefined) {
      this.#giveUp(refusal)
      return
    }
    // It may merely have expired: ask for a fresh one, and give up if that is refused as well.
    this.#rejected = token
    this.#refusal = refusal
    this.#reason = 'rejected'
    this.#welcomedAt = null
    this.#sink.onClosed(refusal, false)
    void this.#connect()
  }

  #giveUp(reason: Fault): void {
    this.#halt()
    this.#sink.onClosed(reason, true)
  }

  #halt(): void {
    this.#running = false
    this.#endRefresh()
    clearTimeout(this.#timer)
    clearTimeout(this.#pauseTimer)
    this.#retryAt = null
    this.#unwatchPage()
  }

  #abandon(code: number, reason: string): void {
    this.#attempt += 1
    this.#pulse.stop()
    this.#endRefresh()
    const socket = this.#socket
    this.#socket = null
    try {
      socket?.close(code, reason)
    } catch {
      // Closing a socket that is not even open yet may throw; it is gone either way.
    }
  }

  #lost(reason: Fault | null, ended = false): void {
    const stable = this.#welcomedAt !== null && Date.now() - this.#welcomedAt >= STABLE_MS
    this.#welcomedAt = null
    this.#failures = stable ? 0 : this.#failures + 1
    const delay = this.#delay()
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#connect(), delay)
    this.#retryAt = Date.now() + delay
    this.#sink.onClosed(reason, ended)
  }

  /** Finds out why no socket opens, where that has been so for a while. */
  async #explain(): Promise<void> {
    this.#unopened += 1
    if (this.#blocked) {
      // After the news that the connection is lost.
      await null
      if (this.#running) this.#sink.onFault(BLOCKED)
      return
    }
    if (this.#unopened < FAILURES_UNEXPLAINED || this.#diagnosing) return
    this.#diagnosing = true
    const found = await diagnose(this.#url).catch(() => null)
    this.#diagnosing = false
    if (found !== null && this.#running && this.#unopened > 0) this.#sink.onFault(found)
  }

  /** Doubles with each failure up to the limit; jittered, so that a crowd does not come back at once. */
  #delay(): number {
    const exponent = Math.min(Math.max(this.#failures - 1, 0), 20)
    const ceiling = Math.min(this.#delayMax, this.#delayMin * 2 ** exponent)
    return ceiling * (0.5 + Math.random() / 2)
  }
}

/** The class to connect with. Programs are written in JavaScript too, so anything may be given. */
function webSocket(given: unknown): WebSocketConstructor {
  const found = given ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket
  if (typeof found === 'function') return found as WebSocketConstructor
  if (found !== undefined && found !== null) {
    throw new IndelibleError(
      'no-websocket',
      `the option WebSocket must be a class, such as that of the package "ws", not ${typeof found}`,
    )
  }
  throw new IndelibleError(
    'no-websocket',
    'there is no global WebSocket here: give the class of the package "ws" as the option WebSocket',
  )
}

function fault(code: string, message: string, cause?: unknown): Fault {
  const why = reasonOf(cause)
  return { code, message: why === '' ? message : `${message}: ${why}` }
}

/** Why the server does not take the token: the one reason for closing that is a sentence for people. */
function unauthorized(reason: string): Fault {
  const why = reason === '' ? '' : `: ${reason}`
  return fault('unauthorized', `the server does not accept the token, or not any more${why}`)
}

function foreign(url: string): Fault {
  // Names, passwords and parameters may be secret, and are not what is wrong.
  const { origin, pathname } = new URL(url)
  return fault(
    'not-indelible',
    `what answers at ${origin}${pathname} is not an Indelible server, or speaks another version of its protocol`,
  )
}

/** What the server means by closing, for people; its own reason is for its log. */
function closing(code: number): Fault | null {
  switch (code) {
    case 1001:
      return fault('going-away', 'the server is stopping or starting again')
    case 1002:
    case 1007:
    case 1008:
    case 1009:
    case 4400:
      return fault('not-understood', 'the server could not read what this client sent')
    case 1013:
      return fault('crowded', 'too many are connected without a token; it tries again')
    case CLOSE_RIGHTS_CHANGED:
      return fault('rights-changed', 'what you may read and edit has changed')
    default:
      return null
  }
}
