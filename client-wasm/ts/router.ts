/**
 * The handles that a client gave out, entities and collections, and which of them an event of the
 * core is for.
 */

import type { Collection, CollectionEvent } from './collection.js'
import type { Core } from './core.js'
import type { CoreEvent } from './core-events.js'
import type { Entity } from './entity.js'
import { closedError, type IndelibleError, refusalOf } from './errors.js'
import type { Fault } from './types.js'

type EntityEvent = Extract<
  CoreEvent,
  { type: 'value' | 'patch' | 'gone' | 'saved' | 'conflicts' | 'refused' }
>

/** An event for a handle. */
export type HandleEvent = EntityEvent | CollectionEvent

/** The handles of one client. */
export class Router {
  readonly #entities = new Map<string, Entity<object>>()
  readonly #collections = new Map<string, Collection<object>>()

  entity(name: string): Entity<object> | undefined {
    return this.#entities.get(name)
  }

  collection(kind: string): Collection<object> | undefined {
    return this.#collections.get(kind)
  }

  addEntity(entity: Entity<object>): void {
    this.#entities.set(entity.name, entity)
  }

  addCollection(collection: Collection<object>): void {
    this.#collections.set(collection.kind, collection)
  }

  removeEntity(name: string): void {
    this.#entities.delete(name)
  }

  removeCollection(kind: string): void {
    this.#collections.delete(kind)
  }

  /** Opens everything that is followed, in a core that knows nothing yet. */
  reopen(core: Core): void {
    for (const collection of this.#collections.values()) this.watch(core, collection)
    for (const entity of this.#entities.values()) this.open(core, entity)
  }

  open(core: Core, entity: Entity<object>): void {
    const error = refusalOf(() => core.open(entity.name))
    if (error !== null) entity.receiveFailure(error)
  }

  watch(core: Core, collection: Collection<object>): void {
    const error = refusalOf(() => core.watch(collection.kind))
    if (error !== null) collection.receiveFault(error)
  }

  /** Hands an event to the handle that it is for; one that was closed meanwhile misses nothing. */
  route(event: HandleEvent, core: Core): void {
    switch (event.type) {
      case 'watched':
      case 'unwatchable':
      case 'item':
      case 'item-patch':
      case 'item-gone':
        this.#toCollection(event, core)
        break
      default:
        this.#toEntity(event, core)
    }
  }

  #toEntity(event: EntityEvent, core: Core): void {
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

  #toCollection(event: CollectionEvent, core: Core): void {
    const kind = 'kind' in event ? event.kind : (event.entity.split('/', 1)[0] as string)
    if (this.#collections.get(kind)?.receive(event) === false) {
      core.unwatch(kind)
      core.watch(kind)
    }
  }

  /** A new connection is ready: what was hidden for want of a right is asked for again. */
  welcomed(core: Core): void {
    for (const entity of this.#entities.values()) {
      if (entity.hidden) core.resync(entity.name)
    }
  }

  /** A different person has signed in. Entities learn that from the core. */
  signedIn(fault: Fault): void {
    for (const collection of this.#collections.values()) collection.receiveFault(fault)
  }

  /** The connection has come or gone. */
  connectionChanged(): void {
    for (const collection of this.#collections.values()) collection.receiveConnection()
  }

  /** The server no longer accepts us: no value stays visible. */
  endAccess(fault: Fault): void {
    for (const entity of this.#entities.values()) entity.receiveNoAccess(fault)
    for (const collection of this.#collections.values()) collection.receiveFault(fault)
  }

  /** There will be no connection: a first value will not come. */
  failAll(fault: Fault): void {
    for (const entity of this.#entities.values()) {
      if (entity.value === undefined) entity.receiveFailure(fault)
    }
    for (const collection of this.#collections.values()) collection.receiveFault(fault)
  }

  /** The core has forgotten everything. */
  restart(error: IndelibleError): void {
    for (const entity of this.#entities.values()) entity.restart(error)
  }

  /** The client has been closed. */
  close(): void {
    const error = closedError()
    for (const entity of this.#entities.values()) entity.abandon(error, true)
    for (const collection of this.#collections.values()) collection.receiveFault(error)
    this.#entities.clear()
    this.#collections.clear()
  }
}
