/**
 * All entities of a kind, present and future, as a live list of values.
 *
 * `value` is a new frozen array whenever an item came, changed or went, and the same
 * one otherwise; items that did not change keep their identity.
 */

import { assertId } from './arguments.js'
import { bindMethods } from './bind-methods.js'
import type { CoreEvent } from './core-events.js'
import { IndelibleError } from './errors.js'
import { type Deferred, deferred, Listeners, type NotificationQueue } from './listeners.js'
import { IDLE } from './status.js'
import type {
  Change,
  Fault,
  JsonObject,
  JsonValue,
  SyncState,
  SyncStatus,
  Unsubscribe,
} from './types.js'
import { applyChanges, share } from './value.js'

/** One entity of a collection. */
export interface Item<T> {
  /** The name of the entity within its kind; the kind itself for a singleton. */
  readonly id: string
  readonly value: T
}

/** Why a kind may not be read, or not any more. */
const NO_ACCESS: readonly string[] = [
  'forbidden',
  'no-kind',
  'not-found',
  'unauthorized',
  'token',
  'principal',
]

/** @internal What a collection needs of its client. */
export interface CollectionHost {
  readonly notices: NotificationQueue
  /** Whether there is a connection. */
  readonly connection: 'offline' | 'connecting' | 'online'
  /** The collection is closed. */
  unwatch(kind: string): void
}

/** @internal The events of a kind. */
export type CollectionEvent = Extract<
  CoreEvent,
  { type: 'watched' | 'unwatchable' | 'item' | 'item-patch' | 'item-gone' }
>

/** A watched kind. Made by `IndelibleClient.collection`. */
export class Collection<T extends object = JsonObject> {
  readonly kind: string
  readonly #host: CollectionHost
  readonly #listeners = new Listeners<[readonly Item<object>[]]>()
  readonly #statuses = new Listeners<[SyncStatus]>()
  readonly #items = new Map<string, Item<object>>()
  #value: readonly Item<object>[] = Object.freeze([])
  #stale = false
  #complete = false
  /** Whether nothing was missed since the last connection was lost. */
  #current = false
  #lastSyncTime: number | null = null
  #status: SyncStatus
  #ready: Deferred<readonly Item<object>[]> = deferred()
  #fault: IndelibleError | null = null

  /** @internal */
  constructor(kind: string, host: CollectionHost) {
    this.kind = kind
    this.#host = host
    this.#status = this.#statusNow()
    bindMethods(this)
  }

  /** How far the collection is in step with the server, or why it cannot be. Frozen. */
  get status(): SyncStatus {
    return this.#status
  }

  /** The entities known so far, in the order of their ids. Frozen. */
  get value(): readonly Item<T>[] {
    if (this.#stale) {
      const items = [...this.#items.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
      this.#value = Object.freeze(items)
      this.#stale = false
    }
    return this.#value as readonly Item<T>[]
  }

  /** The value of one entity. */
  get(id: string): T | undefined {
    assertId(id)
    return this.#items.get(id)?.value as T | undefined
  }

  /**
   * Resolves when all present entities are here. Rejects when the kind may not be read (any more);
   * `value` is empty then, and `status` says why.
   */
  ready(): Promise<readonly Item<T>[]> {
    if (this.#complete) return Promise.resolve(this.value)
    if (this.#fault !== null) return Promise.reject(this.#fault)
    return this.#ready.promise as Promise<readonly Item<T>[]>
  }

  /** Calls `listener` whenever an entity came, changed or went. */
  subscribe(listener: (value: readonly Item<T>[]) => void): Unsubscribe {
    return this.#listeners.add(listener as (value: readonly Item<object>[]) => void)
  }

  /** Calls `listener` after every change of the status. */
  subscribeStatus(listener: (status: SyncStatus) => void): Unsubscribe {
    return this.#statuses.add(listener)
  }

  /** Stops watching, for all code that got this collection from its client. */
  close(): void {
    this.#host.unwatch(this.kind)
    this.#fail({ code: 'closed', message: `the collection ${this.kind} has been closed` })
    this.#host.notices.flush()
  }

  /** @internal Takes an event of the kind; `false`: all of it must be reported again. */
  receive(event: CollectionEvent): boolean {
    switch (event.type) {
      case 'watched':
        this.receiveWatched(event.entities)
        break
      case 'unwatchable':
        this.receiveFault(event)
        break
      case 'item':
        this.receiveValue(event.entity, event.value)
        break
      case 'item-patch':
        return this.receivePatches(event.entity, event.patch)
      case 'item-gone':
        this.receiveGone(event.entity)
    }
    return true
  }

  /** @internal There is a connection now, or none any more. */
  receiveConnection(): void {
    if (this.#host.connection !== 'online') this.#current = false
    this.#reportStatus()
  }

  /** @internal */
  receiveValue(entity: string, value: JsonValue): void {
    const id = this.#id(entity)
    const before = this.#items.get(id)?.value as JsonValue | undefined
    this.#put(id, before, share(before, value))
  }

  /** @internal `false` when the patches do not fit. */
  receivePatches(entity: string, changes: readonly Change[]): boolean {
    const id = this.#id(entity)
    const before = this.#items.get(id)?.value as JsonValue | undefined
    if (before === undefined) return false
    try {
      this.#put(id, before, applyChanges(before, changes).value)
    } catch (error) {
      if (error instanceof IndelibleError) return false
      throw error
    }
    return true
  }

  /** @internal */
  receiveGone(entity: string): void {
    if (this.#items.delete(this.#id(entity))) this.#changed()
  }

  /** @internal All present entities have been reported; others that we have are gone. */
  receiveWatched(entities: readonly string[]): void {
    const present = new Set(entities.map(entity => this.#id(entity)))
    for (const id of [...this.#items.keys()]) {
      if (!present.has(id)) {
        this.#items.delete(id)
        this.#changed()
      }
    }
    this.#fault = null
    this.#complete = true
    this.#current = true
    this.#lastSyncTime = Date.now()
    this.#ready.resolve(this.value)
    this.#reportStatus()
  }

  /** @internal The kind cannot be watched (any more), or a different person has signed in. */
  receiveFault(fault: Fault): void {
    if (this.#items.size > 0) {
      this.#items.clear()
      this.#changed()
    }
    this.#fail(fault)
  }

  #fail(fault: Fault): void {
    this.#fault = new IndelibleError(fault.code, fault.message)
    this.#complete = false
    this.#current = false
    this.#reportStatus()
    this.#ready.reject(this.#fault)
    this.#ready = deferred()
  }

  #state(): SyncState {
    if (this.#fault !== null && NO_ACCESS.includes(this.#fault.code)) return 'no-access'
    const { connection } = this.#host
    if (this.#fault !== null) return 'offline'
    if (connection !== 'online') return connection
    if (this.#current) return 'synced'
    return this.#complete ? 'syncing' : 'connecting'
  }

  #statusNow(): SyncStatus {
    const fault = this.#fault
    return Object.freeze({
      ...IDLE,
      state: this.#state(),
      lastSyncTime: this.#lastSyncTime,
      error: fault === null ? null : { code: fault.code, message: fault.message },
    })
  }

  #reportStatus(): void {
    const [before, status] = [this.#status, this.#statusNow()]
    const same =
      before.state === status.state &&
      before.lastSyncTime === status.lastSyncTime &&
      before.error?.code === status.error?.code &&
      before.error?.message === status.error?.message
    if (same) return
    this.#status = status
    this.#host.notices.add(() => this.#statuses.notify(status))
  }

  #id(entity: string): string {
    const slash = entity.indexOf('/')
    return slash < 0 ? entity : entity.slice(slash + 1)
  }

  #put(id: string, before: JsonValue | undefined, value: JsonValue): void {
    if (before === value) return
    this.#items.set(id, Object.freeze({ id, value: value as JsonObject }))
    this.#changed()
  }

  /** Notifies once for everything that arrived together. */
  #changed(): void {
    if (this.#stale) return
    this.#stale = true
    this.#host.notices.add(() => this.#listeners.notify(this.value))
  }
}
