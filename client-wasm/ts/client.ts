/**
 * The client: one connection, one core, and the entities and collections that a program opened.
 *
 * The core decides. This module moves frames between connection and core, and passes on the events
 * of the core; it knows no rule of the protocol.
 */

import {
  assertEntityName,
  assertId,
  assertKind,
  kindOf,
  objectJson,
  optionsOf,
} from './arguments.js'
import { bindMethods } from './bind-methods.js'
import { Collection, type CollectionHost } from './collection.js'
import { Connection } from './connection.js'
import type { Core } from './core.js'
import type { CoreEvent } from './core-events.js'
import { Cores } from './cores.js'
import { Entity, type EntityHost } from './entity.js'
import { closedError, IndelibleError, PolicyError, refusalOf } from './errors.js'
import { type Deferred, Listeners, NotificationQueue } from './listeners.js'
import { readOptions } from './options.js'
import { Requests } from './requests.js'
import { Router } from './router.js'
import { frozen, IDLE, principalOf } from './status.js'
import type {
  ClientOptions,
  Fault,
  JsonObject,
  KindRights,
  Partially,
  Principal,
  SignOutOptions,
  SyncStatus,
  Unsubscribe,
} from './types.js'
import { askByBrowser, UnsavedGuard } from './unsaved.js'

/**
 * A client of one Indelible server. It connects when something is first asked of it and stays
 * connected, coming back by itself, until `close`.
 *
 * ```ts
 * const client = new IndelibleClient({ url: 'ws://127.0.0.1:4000/sync', token: fetchToken });
 * const settings = client.entity<Settings>('settings');
 * await settings.ready();
 * settings.change((draft) => { draft.companyName = 'Acme'; });
 * await settings.saved();
 * ```
 */
export class IndelibleClient {
  /** What is wrong with the options. */
  readonly #fault: IndelibleError | null
  readonly #connection: Connection
  readonly #cores: Cores
  readonly #router = new Router()
  readonly #requests = new Requests()
  readonly #notices = new NotificationQueue()
  readonly #statuses = new Listeners<[SyncStatus]>()
  readonly #host: EntityHost
  #principal: Principal | null = null
  #status: SyncStatus = IDLE
  #sending = false
  #closed = false
  #kinds: readonly KindRights[] = Object.freeze([])
  readonly #guard: UnsavedGuard

  /** Never throws: `status.error` reports at the first connection what is wrong with the options. */
  constructor(given: ClientOptions) {
    const { options, fault } = readOptions(given)
    this.#fault = fault
    this.#guard = new UnsavedGuard(options.preventUnsavedChanges ?? true)
    this.#connection = new Connection(
      {
        url: options.url,
        token: options.token,
        WebSocket: options.WebSocket,
        delayMin: options.reconnect?.delayMin,
        delayMax: options.reconnect?.delayMax,
        silence: options.silence ?? {},
      },
      {
        onConnecting: () => this.#carry(core => core.connecting()),
        onOpen: token => this.#carry(core => core.connected(token)),
        onFreshToken: token => this.#carry(core => core.authenticate(token)),
        onFault: fault => this.#carry(core => core.report(fault)),
        onSilence: () => this.#carry(core => core.ping()),
        onFrame: frame => this.#receive(frame),
        onClosed: (fault, ended) => this.#onClosed(fault, ended),
      },
    )
    this.#cores = this.#makeCores(options)
    this.#host = this.#makeHost()
    bindMethods(this)
  }

  /** How far everything this client follows is in step with the server. Frozen. */
  get status(): SyncStatus {
    return this.#status
  }

  /** Who the server says we are; `null` before the first connection. */
  get principal(): Principal | null {
    return this.#principal
  }

  /** What we may do with each kind; empty before the first connection. */
  get kinds(): readonly KindRights[] {
    return this.#kinds
  }

  /** When the next attempt to connect begins, if one is waited for; milliseconds since 1970. */
  get retryAt(): number | null {
    return this.#connection.retryAt
  }

  /** Connects now if there is no connection: during a wait, an attempt that hangs, or after giving up. */
  retry(): void {
    if (this.#connection.running) this.#connection.retry()
    else if (!this.#closed) this.connect()
  }

  /** Calls `listener` after every change of the status. */
  subscribe(listener: (status: SyncStatus) => void): Unsubscribe {
    return this.#statuses.add(listener)
  }

  /**
   * Connects now, or again after the server did not accept the token. Otherwise not needed:
   * opening something connects by itself.
   */
  connect(): void {
    // The status says why it fails.
    this.#start().catch(() => undefined)
  }

  /**
   * The entity with this name: `team/jane-doe`, or just the kind for a singleton. Returns the same
   * object for the same name, until it is closed.
   */
  entity<T extends object = JsonObject>(name: string): Entity<T> {
    this.#assertOpen()
    assertEntityName(name)
    const known = this.#router.entity(name)
    if (known !== undefined) return known as Entity<T>
    const entity = new Entity<T>(name, this.#host)
    this.#router.addEntity(entity)
    this.#once(core => this.#router.open(core, entity))
    return entity
  }

  /** All entities of a kind, live. Returns the same object for the same kind, until it is closed. */
  collection<T extends object = JsonObject>(kind: string): Collection<T> {
    this.#assertOpen()
    assertKind(kind)
    const known = this.#router.collection(kind)
    if (known !== undefined) return known as Collection<T>
    const connection = (): CollectionHost['connection'] => {
      const { state } = this.#status
      return state === 'offline' || state === 'connecting' ? state : 'online'
    }
    const collection = new Collection<T>(kind, {
      notices: this.#notices,
      get connection() {
        return connection()
      },
      unwatch: closed => {
        this.#router.removeCollection(closed)
        this.#carry(core => core.unwatch(closed))
      },
    })
    this.#router.addCollection(collection)
    this.#once(core => this.#router.watch(core, collection))
    return collection
  }

  /**
   * Creates an entity and resolves with it when it is durable on the server. Without `id` the server
   * chooses one. Waits while offline.
   *
   * Rejects with a `PolicyError` when the server refuses it, with code `exists` when the id is taken.
   */
  async create<T extends object = JsonObject>(
    kind: string,
    value: Partially<T>,
    options?: { readonly id?: string },
  ): Promise<Entity<T>> {
    const { id } = optionsOf(options, 'create', { id: 'any' })
    this.#assertOpen()
    assertKind(kind)
    if (id !== undefined) assertId(id)
    const name = id === undefined ? kind : `${kind}/${id}`
    const body = objectJson(value, 'the value of create')
    const entity = this.entity<T>(await this.#request(core => core.create(name, body)))
    // A caller who may create but not read gets a handle, too; its `ready` rejects.
    await entity.ready().catch(() => undefined)
    return entity
  }

  /**
   * Deletes an entity for everybody; resolves when that is durable on the server. Its history is
   * kept, see `undelete`. Waits while offline.
   *
   * Rejects with a `PolicyError`: code `forbidden`, or `not-found` when it is not there.
   */
  async delete(name: string): Promise<void> {
    this.#assertOpen()
    assertEntityName(name)
    await this.#request(core => core.delete(name))
  }

  /**
   * Brings a deleted entity back as it was; resolves when that is durable on the server. Waits while
   * offline.
   *
   * Rejects with a `PolicyError`: code `policy` when another entity now holds one of its `unique`
   * values (`violations` name the value, and the `holder` if we may read it), `exists` when it was not
   * deleted, `forbidden`, `not-found`.
   */
  async undelete(name: string): Promise<void> {
    this.#assertOpen()
    assertEntityName(name)
    await this.#request(core => core.undelete(name))
  }

  /**
   * Signs out: closes the client, after which its handles have no value. It asks first if edits are
   * not saved, are lost and still in the status, or are in a bound text box that keeps what was
   * refused; resolves with whether it signed out.
   *
   * Rejects with code `unsaved` where the question cannot be asked.
   */
  async signOut(options?: SignOutOptions): Promise<boolean> {
    const forms = { pending: ['ask', 'discard'], confirm: 'function' } as const
    const { pending = 'ask', confirm } = optionsOf(options, 'signOut', forms)
    const count = this.#guard.count + this.#status.dropped.length
    if (pending === 'ask' && count > 0 && !this.#closed) {
      const goOn = confirm === undefined ? askByBrowser(count) : await confirm(this.#status)
      if (goOn === undefined && confirm === undefined) {
        throw new IndelibleError('unsaved', 'edits are not saved yet; say what to do with them')
      }
      // A forgotten `return`, or a word such as 'no', does not permit losing edits.
      if (typeof goOn !== 'boolean') {
        const message = `what the option confirm of signOut answers must be a boolean, not ${kindOf(goOn)}`
        throw new IndelibleError('argument', message)
      }
      if (!goOn) return false
    }
    this.close()
    return true
  }

  /**
   * Ends everything: edits that are not saved are dropped, promises that wait for them reject, and
   * handles lose their values. `signOut` asks first.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#guard.end()
    this.#connection.stop()
    this.#router.close()
    this.#requests.rejectAll(closedError())
    this.#cores.end()
    this.#setStatus({ ...IDLE, lastSyncTime: this.#status.lastSyncTime })
    this.#notices.flush()
  }

  #makeCores(options: ClientOptions): Cores {
    const requests = this.#requests
    return new Cores(options, options.name ?? 'indelible-js', {
      get waiting() {
        return requests.waiting
      },
      onLoading: () => this.#setStatus({ ...IDLE, state: 'connecting' }),
      onFailed: error => this.#fail(error),
      onStarted: core => {
        this.#router.reopen(core)
        this.#pump()
      },
      onExchanged: () => this.#connection.renew(),
      onDied: error => {
        this.#router.restart(error)
        this.#requests.rejectAll(error)
      },
      onRestarted: () => this.#connection.restart('the core failed'),
    })
  }

  #makeHost(): EntityHost {
    const core = (): Core | null => this.#cores.current
    return {
      notices: this.#notices,
      get core() {
        return core()
      },
      pump: () => this.#pump(),
      keep: boxes => this.#guard.keep(boxes),
      release: name => {
        this.#router.removeEntity(name)
        this.#carry(living => living.close(name))
      },
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError()
  }

  /** Makes a request about an entity; resolves with its name when it is granted. */
  async #request(ask: (core: Core) => number): Promise<string> {
    const added = this.#requests.add(async () => ask(await this.#start()))
    this.#guardUnsaved()
    try {
      const { answer } = await added
      this.#pump()
      return await answer
    } finally {
      this.#guardUnsaved()
    }
  }

  #guardUnsaved(): void {
    this.#guard.update(this.#status.pending + this.#requests.unsent)
  }

  /** Loads the core if need be and keeps the connection going. */
  async #start(): Promise<Core> {
    const unusable = this.#fault ?? refusalOf(() => this.#connection.prepare())
    if (unusable !== null) throw this.#fail(unusable)
    const core = await this.#cores.get()
    this.#assertOpen()
    this.#connection.start()
    return core
  }

  /** There will be no connection, for now: reports that everywhere. */
  #fail(error: IndelibleError): IndelibleError {
    const { code, message } = error
    this.#setStatus({ ...IDLE, error: { code, message } })
    this.#router.failAll({ code, message })
    this.#notices.flush()
    return error
  }

  /** Does it now, or leaves it to the reopening that follows loading. */
  #once(use: (core: Core) => void): void {
    if (this.#cores.current !== null) this.#carry(use)
    this.#start().catch(() => undefined)
  }

  #onClosed(fault: Fault | null, ended: boolean): void {
    this.#carry(core => core.disconnected(fault))
    if (!ended || fault === null) return
    this.#router.endAccess(fault)
    this.#notices.flush()
  }

  #receive(frame: Uint8Array): void {
    this.#carry(core => {
      if (!core.handleFrame(frame)) this.#connection.refuse('unreadable frame')
    })
  }

  /** Runs a step that no caller waits for. If the core dies of it, `Cores` reports that. */
  #carry(step: (core: Core) => void): void {
    const core = this.#cores.current
    if (core === null) return
    unlessTrapped(() => {
      step(core)
      this.#pump()
    })
  }

  /** Takes in the events of the core; sends soon, so that the edits of one task go together. */
  #pump(): void {
    const core = this.#cores.current
    if (core === null) return
    for (const event of core.pollEvents()) this.#take(event, core)
    this.#notices.flush()
    if (this.#sending) return
    this.#sending = true
    queueMicrotask(() => {
      this.#sending = false
      this.#carrySending()
    })
  }

  #carrySending(): void {
    const core = this.#cores.current
    if (core === null) return
    unlessTrapped(() => {
      let sent = false
      for (let frame = core.pollTransmit(); frame; frame = core.pollTransmit()) {
        // What a dying socket does not take is sent again after the next welcome.
        sent = this.#connection.send(frame) || sent
      }
      if (sent && this.#status.state === 'syncing') this.#connection.expectAnswer()
      for (const event of core.pollEvents()) this.#take(event, core)
    })
    this.#notices.flush()
  }

  #take(event: CoreEvent, core: Core): void {
    switch (event.type) {
      case 'welcome':
        this.#welcome(event, core)
        break
      case 'status':
        if (event.entity === null) this.#setStatus(event.status)
        else this.#router.entity(event.entity)?.receiveStatus(event.status)
        break
      case 'done':
        this.#settle(event.request, request => request.resolve(event.entity))
        break
      case 'request-failed':
        this.#settle(event.request, request =>
          request.reject(new PolicyError(event.violations, event.message, event.code)),
        )
        break
      case 'needs-full-core':
        // A failure has been reported.
        this.#cores.exchange().catch(() => undefined)
        break
      case 'token-expiring':
        this.#connection.refresh()
        break
      case 'pause':
        this.#connection.pause(event.millis, () => this.#pump())
        break
      case 'disconnect':
        this.#connection.restart(event.reason)
        break
      default:
        this.#router.route(event, core)
    }
  }

  #welcome({ principal, kinds }: Extract<CoreEvent, { type: 'welcome' }>, core: Core): void {
    const before = this.#principal
    this.#principal = principalOf(principal)
    this.#kinds = Object.freeze(kinds.map(kind => Object.freeze(kind)))
    this.#connection.welcomed()
    if (before !== null && before.id !== principal.id) {
      this.#router.signedIn({ code: 'principal', message: 'somebody else has signed in' })
    }
    this.#router.welcomed(core)
  }

  #settle(number: number, settle: (request: Deferred<string>) => void): void {
    this.#requests.settle(number, settle)
    // Not at once: the caller may still use the present core.
    if (this.#cores.exchanging) queueMicrotask(() => this.#cores.takeOver())
  }

  #setStatus(status: SyncStatus): void {
    const next = frozen(status)
    this.#status = next
    this.#guardUnsaved()
    this.#router.connectionChanged()
    this.#notices.add(() => this.#statuses.notify(next))
  }
}

/** A trap is reported by `Cores`, after the call that failed. */
function unlessTrapped(step: () => void): void {
  try {
    step()
  } catch (error) {
    if (!(error instanceof IndelibleError && error.code === 'trap')) throw error
  }
}
