// Connections over sockets that a test plays, and a page for them, as far as events go.

import { vi } from 'vitest'
import { Connection } from '../connection.js'
import type { Fault, TokenSource, WebSocketConstructor } from '../types.js'

type Listener = (event: never) => void

export class FakeSocket {
  static all: FakeSocket[] = []
  /** Whether the server gives no sign of life when it is asked for one. */
  static mute = false
  binaryType = ''
  readyState = 0
  bufferedAmount = 0
  readonly url: string
  readonly protocols: string[]
  closedWith: number | undefined = undefined
  readonly sent: Uint8Array[] = []
  readonly #listeners = new Map<string, Listener>()

  constructor(url: string, protocols: string[]) {
    this.url = url
    this.protocols = protocols
    FakeSocket.all.push(this)
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, listener)
  }

  send(data: Uint8Array): void {
    this.sent.push(data)
  }

  close(code?: number): void {
    this.closedWith = code
    this.readyState = 3
  }

  fire(type: string, event: unknown = {}): void {
    if (type === 'open') this.readyState = 1
    if (type === 'close') this.readyState = 3
    this.#listeners.get(type)?.(event as never)
  }
}

export interface Log {
  readonly connection: Connection
  readonly opened: (string | undefined)[]
  readonly fresh: string[]
  /** What was told beside the closing of sockets. */
  readonly faults: Fault[]
  /** Signs of life that were asked for, by the sockets that were there. */
  readonly pings: number[]
  readonly closed: { fault: Fault | null; final: boolean }[]
  readonly frames: Uint8Array[]
}

export function connect(token: TokenSource): Log {
  const opened: Log['opened'] = []
  const closed: Log['closed'] = []
  const fresh: string[] = []
  const faults: Fault[] = []
  const pings: number[] = []
  const frames: Uint8Array[] = []
  const connection = new Connection(
    {
      url: 'http://example.test',
      token,
      WebSocket: FakeSocket as unknown as WebSocketConstructor,
      delayMin: 100,
      delayMax: 1_000,
      silence: { probeAfter: undefined, answerWithin: undefined },
    },
    {
      onConnecting: () => undefined,
      onOpen: used => opened.push(used),
      onFreshToken: token => fresh.push(token),
      onFault: fault => faults.push(fault),
      onSilence: () => {
        pings.push(FakeSocket.all.length)
        if (!FakeSocket.mute) FakeSocket.all.at(-1)?.fire('message', { data: new ArrayBuffer(1) })
      },
      onFrame: frame => frames.push(frame),
      onClosed: (fault, final) => closed.push({ fault, final }),
    },
  )
  connection.start()
  return { connection, opened, fresh, faults, pings, closed, frames }
}

export async function nextSocket(): Promise<FakeSocket> {
  await vi.advanceTimersByTimeAsync(0)
  const socket = FakeSocket.all.at(-1)
  if (socket === undefined) throw new Error('no socket was opened')
  return socket
}

/** A connection that has been welcomed. */
export async function welcomed({
  mute = true,
} = {}): Promise<Log & { readonly socket: FakeSocket }> {
  const log = connect(null)
  const socket = await nextSocket()
  socket.fire('open')
  log.connection.welcomed()
  FakeSocket.mute = mute
  return { ...log, socket }
}

/** A window and its document, as far as events go. */
export function stubPage(): { readonly window: EventTarget; readonly document: EventTarget } {
  const window = new EventTarget()
  const document = Object.assign(new EventTarget(), { visibilityState: 'visible' })
  vi.stubGlobal('addEventListener', window.addEventListener.bind(window))
  vi.stubGlobal('removeEventListener', window.removeEventListener.bind(window))
  vi.stubGlobal('document', document)
  return { window, document }
}
