// A server in miniature on a real socket. It knows no document: it gives each proposal the next
// seq and relays it, which is all that clients see of a server that admits everything.

import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { type Cbor, decode, encode } from './cbor.js'
import frames from './frames.json' with { type: 'json' }

type Fields = { readonly [key: string]: Cbor }

/** The fields of all frames from clients. */
type Received = {
  readonly token: string | null
  readonly entity: string
  readonly kind: string
  readonly seq?: number
  readonly version?: string
  readonly id: Uint8Array
  readonly changes: readonly Uint8Array[]
}

type Entry = {
  readonly seq: number
  readonly hash: Uint8Array
  readonly proposal: Uint8Array
  readonly changes: readonly Uint8Array[]
  readonly by: { readonly id: string }
  readonly at: number
}

/** How long a test waits for anything: what nothing takes, however busy the machine. */
export const PATIENCE_MS = 120_000

const JANE = 'team/jane'
const STAMPS = '{"createdAt":"2023-11-14T22:13:20.001Z","updatedBy":"alice"}'

export class TestServer {
  readonly url: string
  /** The names of all frames that came. */
  readonly received: string[] = []
  readonly opened: Received[] = []
  readonly tokens: (string | null)[] = []
  readonly entries: Entry[] = []
  byValue = false
  /** Whether it answers a `ping`, or says that it knows no such frame. */
  knowsPing = true
  /** Do not answer proposals, nor take them. */
  deaf = false
  /** Take proposals and close the connection instead of answering. */
  closeAfterTaking = false
  /** What the next frames that ask for something are answered with, in place of being served. */
  cannot: { readonly code: string; readonly retry?: number; times: number } | null = null
  /** How many of the next proposals to refuse. */
  refusals = 0
  readonly #server: WebSocketServer
  readonly #followers = new Set<WebSocket>()

  private constructor(server: WebSocketServer) {
    this.#server = server
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/sync`
    server.on('connection', socket => {
      socket.on('message', data => this.#take(socket, decode(new Uint8Array(data as Buffer))))
      socket.on('close', () => this.#followers.delete(socket))
    })
  }

  static async start(): Promise<TestServer> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    await new Promise(resolve => server.once('listening', resolve))
    return new TestServer(server)
  }

  /** Whether some client follows something. */
  get followed(): boolean {
    return this.#followers.size > 0
  }

  /** Cuts all connections; clients come back. */
  cut(code = 1001): void {
    this.#followers.clear()
    for (const socket of this.#server.clients) socket.close(code, 'cut')
  }

  async stop(): Promise<void> {
    for (const socket of this.#server.clients) socket.terminate()
    await new Promise(resolve => this.#server.close(resolve))
  }

  /** Sends a frame to all clients that follow something; there must be one. */
  tell(name: string, fields: Fields): void {
    if (!this.followed) throw new Error(`nobody is there to be told: ${name}`)
    this.#relay(name, fields)
  }

  /** Sends the entity again to all clients that follow something. */
  snapshot(): void {
    for (const socket of this.#followers) socket.send(hex(frames.snapshot))
  }

  value(entity: string, version: string, value: unknown): void {
    this.tell('value', { entity, version, value: JSON.stringify(value), at: 0 })
  }

  patch(entity: string, version: string, patch: unknown): void {
    this.tell('patch', { entity, version, patch: JSON.stringify(patch), at: 0 })
  }

  #relay(name: string, fields: Fields): void {
    for (const socket of this.#followers) this.#send(socket, name, fields)
  }

  #send(socket: WebSocket, name: string, fields: Fields): void {
    socket.send(encode({ [name]: fields }))
  }

  #take(socket: WebSocket, frame: Cbor): void {
    const [name, fields] = Object.entries(frame as object)[0] as [string, Received]
    this.received.push(name)
    if (this.#isUnable(socket, name, fields)) return
    switch (name) {
      case 'hello':
        this.tokens.push(fields.token)
        this.#hello(socket, fields.token)
        break
      case 'auth':
        this.tokens.push(fields.token)
        break
      case 'open':
        this.#open(socket, fields)
        break
      case 'watch':
        this.#followers.add(socket)
        break
      case 'propose':
        this.#propose(socket, fields)
        break
      case 'create':
        this.#create(socket, fields)
        break
      case 'delete':
        this.#relay('gone', { entity: fields.entity, code: 'deleted' })
        this.#send(socket, 'admitted', { id: fields.id, entity: fields.entity, epoch: 1, seq: 2 })
        break
      case 'undelete':
        this.#undelete(socket, fields)
        break
      case 'ping':
        if (this.knowsPing) this.#send(socket, 'pong', {})
        else this.#send(socket, 'error', { code: 'unknown-frame', reason: 'unknown frame "ping"' })
        break
    }
  }

  #isUnable(socket: WebSocket, name: string, fields: Received): boolean {
    const { cannot } = this
    if (cannot === null || cannot.times === 0) return false
    if (!['open', 'watch', 'propose', 'create'].includes(name)) return false
    cannot.times -= 1
    const { code, retry } = cannot
    const entity = name === 'watch' ? fields.kind : fields.entity
    const error = { code, reason: 'not now', entity, ...(retry === undefined ? {} : { retry }) }
    this.#send(socket, 'error', fields.id === undefined ? error : { ...error, id: fields.id })
    return true
  }

  #hello(socket: WebSocket, token: string | null): void {
    if (token?.startsWith('bad')) {
      socket.close(4401, 'bad token')
      return
    }
    const frame = hex(this.byValue ? frames.welcomeByValue : frames.welcome)
    if (token !== 'bob') {
      socket.send(frame)
      return
    }
    const { welcome } = decode(frame) as { welcome: Fields }
    this.#send(socket, 'welcome', { ...welcome, principal: { id: 'bob', roles: ['editor'] } })
  }

  #open(socket: WebSocket, fields: Received): void {
    this.opened.push(fields)
    this.#followers.add(socket)
    if (fields.entity !== JANE) {
      this.#send(socket, 'gone', { entity: fields.entity, code: 'not-found' })
      return
    }
    if (this.byValue) return
    if (fields.seq === undefined) {
      socket.send(hex(frames.schema))
      socket.send(hex(frames.snapshot))
    }
    const seq = fields.seq ?? 1
    const news = this.entries.filter(entry => entry.seq > seq)
    if (fields.seq !== undefined || news.length > 0) this.#send(socket, 'entries', batch(news))
  }

  #propose(socket: WebSocket, { id, entity, changes }: Received): void {
    if (this.deaf) return
    if (this.refusals > 0) {
      this.refusals -= 1
      const violation = {
        change: 0,
        ops: [0],
        pointer: '/name',
        rule: 'write',
        attempted: '"X"',
        message: 'not yours',
      }
      this.#send(socket, 'refused', {
        id,
        entity,
        admitted: 0,
        code: 'policy',
        violations: [violation],
      })
      return
    }
    const known = this.entries.find(entry => equal(entry.proposal, id))
    const seq = known?.seq ?? this.entries.length + 2
    if (known === undefined) {
      const hash = new Uint8Array(32).fill(seq)
      const by = { id: 'alice' }
      const entry = { seq, hash, proposal: id, changes, by, at: seq }
      this.entries.push(entry)
      if (this.closeAfterTaking) {
        this.closeAfterTaking = false
        socket.terminate()
        return
      }
      this.#relay('entries', batch([entry]))
    }
    this.#send(socket, 'admitted', { id, entity, epoch: 1, seq })
  }

  #create(socket: WebSocket, fields: Received): void {
    const entity = fields.entity
    const id = fields.id
    if (entity === JANE) {
      this.#send(socket, 'refused', { id, entity, admitted: 0, code: 'exists', violations: [] })
    } else {
      const named = entity.includes('/') ? entity : `${entity}/chosen`
      this.#send(socket, 'admitted', { id, entity: named, epoch: 1, seq: 1 })
    }
  }

  #undelete(socket: WebSocket, { id, entity }: Received): void {
    if (entity === JANE) {
      this.#send(socket, 'admitted', { id, entity, epoch: 1, seq: 3 })
      return
    }
    const violation = {
      change: 0,
      ops: [],
      pointer: '/code',
      rule: 'unique',
      attempted: '"E-1"',
      holder: JANE,
      message: 'team/jane has this value',
    }
    const code = 'policy'
    this.#send(socket, 'refused', { id, entity, admitted: 0, code, violations: [violation] })
  }
}

function batch(entries: readonly Entry[]): Fields {
  return { entity: JANE, epoch: 1, entries, stamps: STAMPS }
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'))
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
