/**
 * The client: one connection, one core, and the entities and collections that a program opened.
 *
 * Invariant: the core decides, this module carries. It moves bytes between connection and core
 * and hands what the core tells to the handle that it is about; it knows no rule of the protocol.
 */

import { Collection } from './collection.js'
import { Connection } from './connection.js'
import { Core, type CoreEvent } from './core.js'
import { Entity, type EntityHost } from './entity.js'
import { IndelibleError, PolicyError } from './errors.js'
import { type Deferred, deferred, Listeners, Notices } from './listeners.js'
import type { CoreName } from './load.js'
import type {
  ClientOptions,
  Fault,
  JsonObject,
  Partially,
  Principal,
  SyncStatus,
  Unsubscribe,
  WasmSource,
  WasmSources,
} from './types.js'
import { toJson } from './value.js'

const IDLE: SyncStatus = Object.freeze({
  state: 'offline',
  pending: 0,
  lastSyncTime: null,
  violations: Object.freeze([]),
  dropped: Object.freeze([]),
  error: null,
})

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
  readonly #name: string
  readonly #connection: Connection
  readonly #notices = new Notices()
  readonly #statuses = new Listeners<[SyncStatus]>()
  readonly #entities = new Map<string, Entity>()
  readonly #collections = new Map<string, Collection>()
  readonly #requests = new Map<number, Deferred<string>>()
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

  constructor(options: ClientOptions) {
    this.#options = options
    this.#name = options.name ?? 'indelible-js'
    this.#connection = new Connection(
      {
        url: options.url,
        token: options.token,
        WebSocket: options.WebSocket,
        delayMin: options.reconnect?.delayMin,
        delayMax: options.reconnect?.delayMax,
      },
      {
        onConnecting: () => this.#carry(core => core.connecting()),
        onOpen: token => this.#carry(core => core.connected(token)),
        onFreshToken: token => this.#carry(core => core.authenticate(token)),
        onNoFreshToken: message => this.#carry(core => core.unauthenticated(message)),
        onFrame: frame => this.#receive(frame),
        onClosed: (fault, final) => this.#onClosed(fault, final),
      },
    )
    this.#host = this.#makeHost()
    this.#unwatchTraps = Core.watch(error => this.#restart(error))
  }

  /** How far everything this client follows is in step with the server. Frozen. */
  get status(): SyncStatus {
    return this.#status
  }

  /** Who the server says we are; `null` before the first connection. */
  get principal(): Principal | null {
    return this.#principal
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
    void this.#start()
  }

  /**
   * The entity of that name: `team/jane-doe`, or just the kind for a singleton. The same object
   * for the same name, until it is closed.
   */
  entity<T extends object = JsonObject>(name: string): Entity<T> {
    this.#assertOpen()
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
    const known = this.#collections.get(kind)
    if (known !== undefined) return known as unknown as Collection<T>
    const collection = new Collection(kind, {
      notices: this.#notices,
      unwatch: closed => {
        this.#collections.delete(closed)
        this.#carry(core => core.unwatch(closed))
      },
    })
    this.#collections.set(kind, collection)
    this.#once(core => core.watch(kind))
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
    options: { readonly id?: string } = {},
  ): Promise<Entity<T>> {
    this.#assertOpen()
    const name = options.id === undefined ? kind : `${kind}/${options.id}`
    const body = toJson(value)
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
    await this.#request(core => core.undelete(name))
  }

  /** Ends everything; what is not saved by then is dropped, and whoever waits for it is told. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#unwatchTraps()
    this.#connection.stop()
    const error = closedError()
    for (const entity of this.#entities.values()) entity.abandon(error)
    for (const collection of this.#collections.values()) collection.receiveFault(error)
    for (const request of this.#requests.values()) request.reject(error)
    this.#entities.clear()
    this.#collections.clear()
    this.#requests.clear()
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
    const number = ask(await this.#start())
    const answer = deferred<string>()
    this.#requests.set(number, answer)
    this.#pump()
    return answer.promise
  }

  /** Loads the core if need be and keeps the connection going. */
  async #start(): Promise<Core> {
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
      const { code, message } = error as IndelibleError
      this.#setStatus({ ...IDLE, error: { code, message } })
      this.#failAll({ code, message })
      throw error
    }
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
    if (!this.#outgrown || before === null || this.#requests.size > 0) return
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
    for (const kind of this.#collections.keys()) core.watch(kind)
    for (const entity of this.#entities.values()) this.#open(core, entity)
    this.#pump()
  }

  #open(core: Core, entity: Entity): void {
    try {
      core.open(entity.name)
    } catch (error) {
      if (!(error instanceof IndelibleError)) throw error
      entity.receiveFault(error)
    }
  }

  /** An instance of a core is dead; if it is ours, with all it held. */
  #restart(error: IndelibleError): void {
    if (!this.#core?.dead) return
    for (const entity of this.#entities.values()) entity.restart(error)
    for (const request of this.#requests.values()) request.reject(error)
    this.#requests.clear()
    this.#core = Core.start(this.#core.name, this.#name)
    this.#loading = Promise.resolve(this.#core)
    this.#reopen(this.#core)
    // Told by the status until the next welcome.
    this.#core.disconnected(error)
    this.#connection.restart('the core failed')
  }

  #onClosed(fault: Fault | null, final: boolean): void {
    this.#carry(core => core.disconnected(fault))
    if (final && fault !== null) this.#failAll(fault)
  }

  /** Tells those who wait for a first value that none will come. */
  #failAll(fault: Fault): void {
    for (const entity of this.#entities.values()) {
      if (entity.value === undefined) entity.receiveFault(fault)
    }
    for (const collection of this.#collections.values()) collection.receiveFault(fault)
    this.#notices.tell()
  }

  #receive(frame: Uint8Array): void {
    this.#carry(core => {
      if (!core.handleFrame(frame)) this.#connection.restart('unreadable frame')
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
        this.#principal = principalOf(event.principal)
        this.#connection.welcomed()
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
      case 'disconnect':
        this.#connection.restart(event.reason)
        break
      case 'fault':
        // The status carries it.
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

  #takeEntity(
    event: Extract<CoreEvent, { type: 'value' | 'patch' | 'gone' | 'saved' | 'refused' }>,
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
      case 'refused':
        entity.receiveRefusal(event)
        break
    }
  }

  #takeItem(
    event: Extract<
      CoreEvent,
      { type: 'watched' | 'unwatchable' | 'item' | 'item-patch' | 'item-gone' }
    >,
    core: Core,
  ): void {
    const kind = 'kind' in event ? event.kind : (event.entity.split('/', 1)[0] as string)
    const collection = this.#collections.get(kind)
    if (collection === undefined) return
    switch (event.type) {
      case 'watched':
        collection.receiveWatched(event.entities)
        break
      case 'unwatchable':
        collection.receiveFault(event)
        break
      case 'item':
        collection.receiveValue(event.entity, event.value)
        break
      case 'item-patch':
        if (!collection.receivePatches(event.entity, event.patch)) {
          core.unwatch(kind)
          core.watch(kind)
        }
        break
      case 'item-gone':
        collection.receiveGone(event.entity)
        break
    }
  }

  #settle(number: number, settle: (request: Deferred<string>) => void): void {
    const request = this.#requests.get(number)
    this.#requests.delete(number)
    if (request !== undefined) settle(request)
    // Not at once: whoever hands this on may not be done with the present core.
    if (this.#outgrown) queueMicrotask(() => this.#takeOver())
  }

  #setStatus(status: SyncStatus): void {
    const told = Object.freeze({
      ...status,
      violations: Object.freeze(status.violations),
      dropped: Object.freeze(status.dropped),
    })
    this.#status = told
    this.#notices.add(() => this.#statuses.tell(told))
  }
}

/** Visitors, who have no token, hardly ever edit: the small core will do until it does not. */
function firstCore({ token, wasm }: ClientOptions): CoreName {
  const given = wasm !== undefined && !isBoth(wasm)
  return given || (token !== undefined && token !== null) ? 'whole' : 'values'
}

function coreSource(name: CoreName, { wasm }: ClientOptions): WasmSource | undefined {
  return wasm !== undefined && isBoth(wasm) ? wasm[name] : wasm
}

function isBoth(wasm: WasmSource | WasmSources): wasm is WasmSources {
  return typeof wasm === 'object' && 'whole' in wasm
}

function principalOf({ id, name, roles }: Principal): Principal {
  return Object.freeze({ id, name: name ?? null, roles: Object.freeze(roles) })
}

function closedError(): IndelibleError {
  return new IndelibleError('closed', 'the client has been closed')
}
