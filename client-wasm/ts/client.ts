/**
 * The client: one connection, one core, and the entities and collections that a program opened.
 *
 * Invariant: the core decides, this module carries. It moves bytes between connection and core
 * and hands what the core tells to the handle that it is about; it knows no rule of the protocol.
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
import { Collection, type CollectionEvent, type CollectionHost } from './collection.js'
import { Connection } from './connection.js'
import { Core, type CoreEvent } from './core.js'
import { Entity, type EntityHost } from './entity.js'
import { closedError, IndelibleError, PolicyError, refusalOf } from './errors.js'
import { type Deferred, Listeners, Notices } from './listeners.js'
import { type CoreName, coreSource, firstCore } from './load.js'
import { readOptions } from './options.js'
import { Requests } from './requests.js'
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
  readonly #options: ClientOptions
  /** What is wrong with them. */
  readonly #fault: IndelibleError | null
  readonly #name: string
  readonly #connection: Connection
  readonly #notices = new Notices()
  readonly #statuses = new Listeners<[SyncStatus]>()
  readonly #entities = new Map<string, Entity>()
  readonly #collections = new Map<string, Collection>()
  readonly #requests = new Requests()
  readonly #host: EntityHost
  readonly #unwatchTraps: Unsubscribe
  #core: Core | null = null
  #loading: Promise<Core> | null = null
  #principal: Principal | null = null
  #status: SyncStatus = IDLE
  /** Whether the core for values is to be replaced by the whole one. */
  #outgrown = false
  #sending = false
  #closed = false
  #kinds: readonly KindRights[] = Object.freeze([])
  readonly #guard: UnsavedGuard

  /** Never fails: what is wrong with the options, `status.error` says at the first connection. */
  constructor(given: ClientOptions) {
    const { options, fault } = readOptions(given)
    this.#options = options
    this.#fault = fault
    this.#name = options.name ?? 'indelible-js'
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
    this.#host = this.#makeHost()
    this.#unwatchTraps = Core.watch(error => this.#restart(error))
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

  /** Connects now, where there is no connection: it waits, hangs in an attempt, or was given up. */
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
   * The entity of that name: `team/jane-doe`, or just the kind for a singleton. The same object
   * for the same name, until it is closed.
   */
  entity<T extends object = JsonObject>(name: string): Entity<T> {
    this.#assertOpen()
    assertEntityName(name)
    const known = this.#entities.get(name)
    if (known !== undefined) return known as unknown as Entity<T>
    const entity = new Entity(name, this.#host)
    this.#entities.set(name, entity)
    this.#once(core => this.#open(core, entity))
    return entity as unknown as Entity<T>
  }

  /** All entities of a kind, live. The same object for the same kind, until it is closed. */
  collection<T extends object = JsonObject>(kind: string): Collection<T> {
    this.#assertOpen()
    assertKind(kind)
    const known = this.#collections.get(kind)
    if (known !== undefined) return known as unknown as Collection<T>
    const connection = (): CollectionHost['connection'] => {
      const { state } = this.#status
      return state === 'offline' || state === 'connecting' ? state : 'online'
    }
    const collection = new Collection(kind, {
      notices: this.#notices,
      get connection() {
        return connection()
      },
      unwatch: closed => {
        this.#collections.delete(closed)
        this.#carry(core => core.unwatch(closed))
      },
    })
    this.#collections.set(kind, collection)
    this.#once(core => this.#watch(core, collection))
    return collection as unknown as Collection<T>
  }

  /**
   * Makes a new entity and resolves with it when it is durable on the server. Without `id` the
   * server chooses one. Waits while offline.
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
    // Who may create but not read gets a handle all the same; its `ready` tells.
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
   * Rejects with a `PolicyError`: code `policy` when another one has come to have a `unique` value
   * of it (its `violations` tell which, and the `holder` as far as we may read it), `exists` when it
   * is there, `forbidden`, `not-found`.
   */
  async undelete(name: string): Promise<void> {
    this.#assertOpen()
    assertEntityName(name)
    await this.#request(core => core.undelete(name))
  }

  /**
   * Signs out: closes the client, after which its handles show nothing any more. It asks first if
   * edits are not saved, are lost and still in the status, or stand in a bound text box that keeps
   * what was refused; resolves with whether it signed out.
   *
   * Rejects with code `unsaved` where there is nobody to ask.
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
      // A forgotten `return`, or a word such as 'no', is no leave to lose edits.
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
   * Ends everything; what is not saved by then is dropped, and whoever waits for it is told. Handles
   * show nothing any more. See `signOut` for a question first.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#unwatchTraps()
    this.#guard.end()
    this.#connection.stop()
    const error = closedError()
    for (const entity of this.#entities.values()) entity.abandon(error, true)
    for (const collection of this.#collections.values()) collection.receiveFault(error)
    this.#requests.rejectAll(error)
    this.#entities.clear()
    this.#collections.clear()
    this.#core?.free()
    this.#core = null
    this.#setStatus({ ...IDLE, lastSyncTime: this.#status.lastSyncTime })
    this.#notices.tell()
  }

  #makeHost(): EntityHost {
    const core = (): Core | null => this.#core
    return {
      notices: this.#notices,
      get core() {
        return core()
      },
      pump: () => this.#pump(),
      keep: boxes => this.#guard.keep(boxes),
      release: name => {
        this.#entities.delete(name)
        this.#carry(living => living.close(name))
      },
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError()
  }

  /** Asks something of a whole entity; resolves with its name when that is done. */
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
    this.#loading ??= this.#load()
    const core = await this.#loading
    this.#assertOpen()
    this.#connection.start()
    return this.#core ?? core
  }

  async #load(): Promise<Core> {
    this.#setStatus({ ...IDLE, state: 'connecting' })
    const name = firstCore(this.#options)
    try {
      await this.#fetch(name)
    } catch (error) {
      this.#loading = null
      throw error
    }
    this.#assertOpen()
    this.#core = Core.start(name, this.#name)
    this.#reopen(this.#core)
    return this.#core
  }

  /** Loads a core, or tells all who wait that it cannot be had. */
  async #fetch(name: CoreName): Promise<void> {
    try {
      await Core.load(name, coreSource(name, this.#options))
    } catch (error) {
      throw this.#fail(error as IndelibleError)
    }
  }

  /** There will be no connection, for now: says so to all. */
  #fail(error: IndelibleError): IndelibleError {
    const { code, message } = error
    this.#setStatus({ ...IDLE, error: { code, message } })
    this.#failAll({ code, message })
    return error
  }

  /** Something that is followed must be a replica: the whole core takes over. */
  async #outgrow(): Promise<void> {
    await this.#fetch('whole')
    this.#outgrown = true
    this.#takeOver()
  }

  #takeOver(): void {
    const before = this.#core
    // Only the session that was asked can take the answer.
    if (!this.#outgrown || before === null || this.#requests.waiting) return
    this.#outgrown = false
    this.#core = Core.start('whole', this.#name)
    this.#loading = Promise.resolve(this.#core)
    before.free()
    this.#reopen(this.#core)
    this.#connection.renew()
  }

  /** Does it now, or leaves it to the reopening that follows loading. */
  #once(use: (core: Core) => void): void {
    if (this.#core !== null) this.#carry(use)
    this.#start().catch(() => undefined)
  }

  /** Opens everything that is followed, in a core that knows nothing yet. */
  #reopen(core: Core): void {
    for (const collection of this.#collections.values()) this.#watch(core, collection)
    for (const entity of this.#entities.values()) this.#open(core, entity)
    this.#pump()
  }

  #watch(core: Core, collection: Collection): void {
    const error = refusalOf(() => core.watch(collection.kind))
    if (error !== null) collection.receiveFault(error)
  }

  #open(core: Core, entity: Entity): void {
    const error = refusalOf(() => core.open(entity.name))
    if (error !== null) entity.receiveFailure(error)
  }

  /** An instance of a core is dead; if it is ours, with all it held. */
  #restart(error: IndelibleError): void {
    if (!this.#core?.dead) return
    for (const entity of this.#entities.values()) entity.restart(error)
    this.#requests.rejectAll(error)
    this.#core = Core.start(this.#core.name, this.#name)
    this.#loading = Promise.resolve(this.#core)
    this.#reopen(this.#core)
    // Told by the status until the next welcome.
    this.#core.disconnected(error)
    this.#connection.restart('the core failed')
  }

  #onClosed(fault: Fault | null, ended: boolean): void {
    this.#carry(core => core.disconnected(fault))
    if (ended && fault !== null) this.#endAccess(fault)
  }

  /** The server does not take us for anybody any more: nothing stays on show. */
  #endAccess(fault: Fault): void {
    for (const entity of this.#entities.values()) entity.receiveNoAccess(fault)
    for (const collection of this.#collections.values()) collection.receiveFault(fault)
    this.#notices.tell()
  }

  /** Tells those who wait for a first value that none will come. */
  #failAll(fault: Fault): void {
    for (const entity of this.#entities.values()) {
      if (entity.value === undefined) entity.receiveFailure(fault)
    }
    for (const collection of this.#collections.values()) collection.receiveFault(fault)
    this.#notices.tell()
  }

  #receive(frame: Uint8Array): void {
    this.#carry(core => {
      if (!core.handleFrame(frame)) this.#connection.refuse('unreadable frame')
    })
  }

  /** Runs a step nobody waits for. If the core dies of it, `#restart` follows and reports. */
  #carry(step: (core: Core) => void): void {
    if (this.#core === null) return
    try {
      step(this.#core)
      this.#pump()
    } catch (error) {
      if (!(error instanceof IndelibleError && error.code === 'trap')) throw error
    }
  }

  /** Takes in what the core has to tell; sends soon, so that the edits of one task go together. */
  #pump(): void {
    const core = this.#core
    if (core === null) return
    for (const event of core.pollEvents()) this.#take(event, core)
    this.#notices.tell()
    if (this.#sending) return
    this.#sending = true
    queueMicrotask(() => {
      this.#sending = false
      this.#carrySending()
    })
  }

  #carrySending(): void {
    const core = this.#core
    if (core === null) return
    try {
      let sent = false
      for (let frame = core.pollTransmit(); frame; frame = core.pollTransmit()) {
        // What a dying socket does not take is sent again after the next welcome.
        sent = this.#connection.send(frame) || sent
      }
      if (sent && this.#status.state === 'syncing') this.#connection.expectAnswer()
      for (const event of core.pollEvents()) this.#take(event, core)
    } catch (error) {
      if (!(error instanceof IndelibleError && error.code === 'trap')) throw error
    }
    this.#notices.tell()
  }

  #take(event: CoreEvent, core: Core): void {
    switch (event.type) {
      case 'welcome':
        this.#welcome(event, core)
        break
      case 'status':
        if (event.entity === null) this.#setStatus(event.status)
        else this.#entities.get(event.entity)?.receiveStatus(event.status)
        break
      case 'done':
        this.#settle(event.request, request => request.resolve(event.entity))
        break
      case 'not-done':
        this.#settle(event.request, request =>
          request.reject(new PolicyError(event.violations, event.message, event.code)),
        )
        break
      case 'outgrown':
        // That it fails has been told.
        this.#outgrow().catch(() => undefined)
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
      case 'watched':
      case 'unwatchable':
      case 'item':
      case 'item-patch':
      case 'item-gone':
        this.#takeItem(event, core)
        break
      default:
        this.#takeEntity(event, core)
    }
  }

  #welcome({ principal, kinds }: Extract<CoreEvent, { type: 'welcome' }>, core: Core): void {
    const before = this.#principal
    this.#principal = principalOf(principal)
    this.#kinds = Object.freeze(kinds.map(kind => Object.freeze(kind)))
    this.#connection.welcomed()
    if (before !== null && before.id !== principal.id) {
      const fault = { code: 'principal', message: 'somebody else has signed in' }
      for (const collection of this.#collections.values()) collection.receiveFault(fault)
    }
    for (const entity of this.#entities.values()) {
      if (entity.hidden) core.resync(entity.name)
    }
  }

  #takeEntity(
    event: Extract<
      CoreEvent,
      { type: 'value' | 'patch' | 'gone' | 'saved' | 'conflicts' | 'refused' }
    >,
    core: Core,
  ): void {
    const entity = this.#entities.get(event.entity)
    if (entity === undefined) return
    switch (event.type) {
      case 'value':
        entity.receiveValue(event.value, event.mode, event.revision)
        break
      case 'patch':
        if (!entity.receivePatches(event)) core.resync(event.entity)
        break
      case 'gone':
        entity.receiveFault(event)
        break
      case 'saved':
        entity.receiveSaved(event.edit)
        break
      case 'conflicts':
        entity.receiveConflicts(event)
        break
      case 'refused':
        entity.receiveRefusal(event)
        break
    }
  }

  #takeItem(event: CollectionEvent, core: Core): void {
    const kind = 'kind' in event ? event.kind : (event.entity.split('/', 1)[0] as string)
    if (this.#collections.get(kind)?.receive(event) === false) {
      core.unwatch(kind)
      core.watch(kind)
    }
  }

  #settle(number: number, settle: (request: Deferred<string>) => void): void {
    this.#requests.settle(number, settle)
    // Not at once: whoever hands this on may not be done with the present core.
    if (this.#outgrown) queueMicrotask(() => this.#takeOver())
  }

  #setStatus(status: SyncStatus): void {
    const told = frozen(status)
    this.#status = told
    this.#guardUnsaved()
    for (const collection of this.#collections.values()) collection.receiveConnection()
    this.#notices.add(() => this.#statuses.tell(told))
  }
}
