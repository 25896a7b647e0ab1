/**
 * One entity as a program sees it: a frozen value, a status, and edits.
 *
 * `value` and `status` are replaced, never changed, and only by what the core reports: the same
 * object is returned until something changes.
 */

import {
  assertFunction,
  assertObject,
  assertPointer,
  droppedJson,
  objectJson,
  optionsOf,
  spliceOf,
} from './arguments.js'
import { bindMethods } from './bind-methods.js'
import { type BindTextOptions, bindText, type TextElement } from './bind-text.js'
import { type Conflict, type ConflictListener, Conflicts } from './conflicts.js'
import type { Core, Located } from './core.js'
import type { CoreEvent } from './core-events.js'
import { produce } from './draft.js'
import { IndelibleError, PolicyError } from './errors.js'
import { type Deferred, deferred, Listeners, type NotificationQueue } from './listeners.js'
import { locate } from './locate.js'
import { frozen, IDLE } from './status.js'
import type { Splice } from './text.js'
import type {
  Draft,
  Dropped,
  EntityMode,
  Fault,
  JsonObject,
  JsonValue,
  MergeOptions,
  MergeResult,
  Partially,
  Patch,
  SyncStatus,
  Unsubscribe,
  ValueNews,
} from './types.js'
import { applyChanges, share } from './value.js'

/** @internal What an entity needs of its client. */
export interface EntityHost {
  readonly notices: NotificationQueue
  /** The living core, if it is loaded. */
  readonly core: Core | null
  /** Takes in the events of the core, and sends its frames. */
  pump(): void
  /** A text box keeps letters that were refused (1), or does not any more (-1). */
  keep(boxes: 1 | -1): void
  /** The entity is closed. */
  release(name: string): void
}

/**
 * Called with the new value (`undefined`: the entity is gone) and what changed: as a JSON Patch, in
 * which texts are replaced whole, and with the splices of texts.
 */
export type ValueListener<T> = (
  value: T | undefined,
  patches: readonly Patch[],
  news: ValueNews,
) => void

interface Waiter extends Deferred<void> {
  readonly edit: number
}

/** An open entity. Made by `IndelibleClient.entity`. */
export class Entity<T extends object = JsonObject> {
  /** The full name: `kind/id`, or `kind` for a singleton. */
  readonly name: string
  readonly #host: EntityHost
  readonly #values = new Listeners<Parameters<ValueListener<object>>>()
  readonly #statuses = new Listeners<[SyncStatus]>()
  #value: JsonValue | undefined = undefined
  #mode: EntityMode | null = null
  #status: SyncStatus = IDLE
  /** The core's names for the values that we had, as bases of later edits. */
  #revisions = new WeakMap<object, number>()
  #ready: Deferred<object> = deferred()
  #fault: IndelibleError | null = null
  /** Whether there is a value that must not be shown while our right to read it has ended. */
  #hidden = false
  #edits = 0
  #saved = 0
  /** Why the last edits are not saved; until the next edit. */
  #refusal: IndelibleError | null = null
  /** Why nothing more will come: the entity or its client was closed. */
  #ended: IndelibleError | null = null
  #waiters: Waiter[] = []
  readonly #conflicts: Conflicts

  /** @internal */
  constructor(name: string, host: EntityHost) {
    this.name = name
    this.#host = host
    this.#conflicts = new Conflicts({
      name,
      notices: host.notices,
      get core() {
        return host.core
      },
      edited: core => this.#edited(core),
    })
    bindMethods(this)
  }

  /** The kind: the name up to the slash. */
  get kind(): string {
    return this.name.split('/', 1)[0] as string
  }

  /** The present value, own unsaved edits and stamps included; `undefined` before `ready`. Frozen. */
  get value(): T | undefined {
    return this.#value as T | undefined
  }

  /** How far this entity is in step with the server. Frozen. */
  get status(): SyncStatus {
    return this.#status
  }

  /** Chosen by what the principal may do; `null` before the first value. Only replicas can be edited. */
  get mode(): EntityMode | null {
    return this.#mode
  }

  /**
   * Values of ours that lost against one that another author wrote at the same time, until each is
   * settled. Frozen; replicas only.
   */
  get conflicts(): readonly Conflict[] {
    return this.#conflicts.list
  }

  /** Calls `listener` after every change of `conflicts`. */
  subscribeConflicts(listener: ConflictListener): Unsubscribe {
    return this.#conflicts.subscribe(listener)
  }

  /**
   * Resolves with the value as soon as there is one. Rejects when there is none: the entity does
   * not exist (any more), may not be read, or the server does not accept the token; `status` says
   * which. When it is created, or its deletion undone, the value comes all the same, and listeners
   * are called.
   */
  ready(): Promise<T> {
    if (this.#value !== undefined) return Promise.resolve(this.#value as T)
    if (this.#fault !== null) return Promise.reject(this.#fault)
    return this.#ready.promise as Promise<T>
  }

  /**
   * Writes what differs from the present value; what `value` lacks stays as it is. Texts become
   * minimal splices; items of keyed lists are matched by their key: new ones have none, absent
   * ones are deleted, order is order.
   *
   * @throws PolicyError when the policy forbids part of it. Then nothing is applied or sent.
   */
  merge(value: Partially<T>, options?: MergeOptions<T>): MergeResult {
    return this.#edit(
      objectJson(value, 'the value of merge'),
      false,
      mergeOptions(options, 'merge'),
    )
  }

  /**
   * Lets `recipe` edit a draft of the present value and writes the difference. Unlike with `merge`,
   * a property that the recipe deletes is removed.
   *
   * @throws PolicyError like `merge`; IndelibleError `argument` when the recipe is async, or returns a
   * value and edits nothing.
   */
  change(recipe: (draft: Draft<T>) => void, options?: MergeOptions<T>): MergeResult {
    assertFunction(recipe, 'a recipe')
    const how = mergeOptions(options, 'change')
    if (how.base !== undefined) assertObject(how.base, 'the option base of change')
    const from = how.base ?? this.value
    if (from === undefined) throw this.#notReady()
    const body = produce(from, recipe as (draft: object) => void)
    return body === null ? { changed: [], preserved: [] } : this.#edit(body, true, how)
  }

  /**
   * Replaces a part of a text, in UTF-16 code units: `remove` of them go at `index`, `insert` comes
   * in their place. Of the texts of a schema, nothing else is touched, whatever others write at the
   * same time; any other string is replaced as a whole. With `base`, the place is one of the text in
   * that earlier value, and what others did since is counted in.
   *
   * @throws PolicyError like `merge`; IndelibleError `document` when the place is not there, and
   * `argument` for an invalid splice; JsonError for an insertion that is not a string, or has half of
   * a surrogate pair.
   */
  splice(pointer: string, splice: Splice, options?: { readonly base?: T }): MergeResult {
    assertPointer(pointer)
    const { base: from } = optionsOf(options, 'splice', { base: 'any' })
    const read = spliceOf(splice, pointer)
    return this.#write(core => {
      const base = from === undefined ? undefined : this.#revision(from)
      return core.splice({ entity: this.name, pointer, splice: read, base })
    })
  }

  /**
   * Binds a `<textarea>` or `<input type="text">` to the text at `pointer` (items of keyed lists by
   * their id): it shows and edits the text, with caret and selection kept at their letters while
   * others type. Returns how to end that.
   */
  bindText(pointer: string, element: TextElement, options?: BindTextOptions): Unsubscribe {
    return bindText(element, this, pointer, options)
  }

  /**
   * Writes something again that was dropped: at the same place, into an item or entry of an open map
   * that is undeleted where needed, or made again with everything that was dropped of it if it existed
   * only here. Of a text, all of it as it was shown here then.
   *
   * @throws PolicyError like `merge`. IndelibleError `nothing-to-bring-back` for what is not a
   * value of its own (a removal, a place in a list, an element or an increment), and for what cannot
   * be made again.
   */
  bringBack(dropped: Dropped): MergeResult {
    const body = droppedJson(dropped)
    return this.#write(core => core.bringBack(this.name, body))
  }

  /**
   * Resolves when every edit made so far is durable on the server; waits while offline. Rejects
   * with a `PolicyError` when the server refused a part of them, until the next edit; what it did not
   * refuse remains pending.
   */
  saved(): Promise<void> {
    if (this.#refusal !== null) return Promise.reject(this.#refusal)
    if (this.#saved >= this.#edits) return Promise.resolve()
    if (this.#ended !== null) return Promise.reject(this.#ended)
    const waiter: Waiter = { edit: this.#edits, ...deferred<void>() }
    this.#waiters.push(waiter)
    return waiter.promise
  }

  /** Calls `listener` after every change of the value, whoever made it. */
  subscribe(listener: ValueListener<T>): Unsubscribe {
    return this.#values.add(listener as ValueListener<object>)
  }

  /** Calls `listener` after every change of the status. */
  subscribeStatus(listener: (status: SyncStatus) => void): Unsubscribe {
    return this.#statuses.add(listener)
  }

  /** Stops following the entity, for all code that got it from this client. Drops unsaved edits. */
  close(): void {
    this.#host.release(this.name)
    this.abandon(new IndelibleError('closed', `${this.name} has been closed`), false)
    this.#host.notices.flush()
  }

  #edit(body: string, whole: boolean, options: MergeOptions<T>): MergeResult {
    return this.#write(core => {
      const keepProtected = options.protected === 'keep'
      const base = options.base === undefined ? undefined : this.#revision(options.base)
      return core.merge({ entity: this.name, body, keepProtected, whole, base })
    })
  }

  #write(write: (core: Core) => MergeResult): MergeResult {
    const core = this.#host.core
    if (this.#ended !== null) throw this.#ended
    if (core === null || this.#value === undefined) throw this.#notReady()
    const result = write(core)
    this.#edited(core)
    return result
  }

  #edited(core: Core): void {
    this.#edits = core.edits(this.name)
    this.#refusal = null
    this.#host.pump()
  }

  /** The core's name for an earlier value; the present one needs none. */
  #revision(base: T): number | undefined {
    if ((base as unknown) === this.#value) return undefined
    const revision = this.#revisions.get(base)
    if (revision !== undefined) return revision
    throw new IndelibleError('unknown-base', 'the base is no earlier value of this entity')
  }

  #notReady(): IndelibleError {
    return (
      this.#fault ?? new IndelibleError('not-ready', `${this.name} has no value yet: await ready()`)
    )
  }

  /** @internal A whole new value. */
  receiveValue(value: JsonValue, mode: EntityMode, revision: number | null): void {
    this.#mode = mode
    const next = share(this.#value, value)
    this.#name(next, revision)
    if (next !== this.#value) this.#replace(next, [{ op: 'replace', path: '', value: next }])
    this.#fault = null
    this.#hidden = false
    this.#ready.resolve(next as JsonObject)
  }

  /** @internal Where a pointer points in the value; `null` when nothing is known of it. */
  locate(pointer: string): Located | null {
    assertPointer(pointer)
    if (this.#value === undefined || this.#ended !== null) return null
    if (this.#mode === 'replica') return this.#host.core?.locate(this.name, pointer) ?? null
    return locate(this.#value, pointer)
  }

  /** @internal A bound text box keeps letters that were refused, or does not any more. */
  keepLetters(kept: boolean): void {
    this.#host.keep(kept ? 1 : -1)
  }

  /** @internal Changes of the value; `false` when they do not fit. */
  receivePatches(event: Extract<CoreEvent, { type: 'patch' }>): boolean {
    if (this.#value === undefined) return false
    try {
      const { value, patches } = applyChanges(this.#value, event.patch)
      this.#name(value, event.revision)
      this.#replace(value, patches, { changes: event.patch, local: event.local })
    } catch (error) {
      if (error instanceof IndelibleError) return false
      throw error
    }
    return true
  }

  /** @internal */
  receiveStatus(status: SyncStatus): void {
    const next = frozen(status)
    this.#status = next
    this.#host.notices.add(() => this.#statuses.notify(next))
  }

  /** @internal */
  receiveConflicts(event: Extract<CoreEvent, { type: 'conflicts' }>): void {
    this.#conflicts.receive(event.conflicts)
  }

  /** @internal All edits up to `edit` are durable. */
  receiveSaved(edit: number): void {
    this.#saved = Math.max(this.#saved, edit)
    this.#settle(edit, null)
  }

  /** @internal A part of the edits is lost; the rest remains pending. */
  receiveRefusal(event: Extract<CoreEvent, { type: 'refused' }>): void {
    const { edit, settled, violations, dropped } = event
    // Until the next edit, what was lost before is part of it.
    const earlier = this.#refusal instanceof PolicyError ? this.#refusal : null
    const error = new PolicyError(
      [...(earlier?.violations ?? []), ...violations],
      event.message,
      event.code,
      [...(earlier?.dropped ?? []), ...dropped],
    )
    this.#refusal = error
    this.#saved = Math.max(this.#saved, settled)
    const [before, losers] = split(this.#waiters, waiter => waiter.edit < edit)
    this.#waiters = before
    for (const waiter of losers) waiter.reject(error)
  }

  /** @internal There is no value, or no longer one. */
  receiveFault(fault: Fault): void {
    this.#fail(new IndelibleError(fault.code, fault.message))
  }

  /** @internal The core cannot be had. */
  receiveFailure({ code, message }: Fault): void {
    this.#fail(new IndelibleError(code, message))
    this.receiveStatus({ ...this.#status, state: 'offline', error: { code, message } })
  }

  /** @internal Our right to read it has ended; unsaved edits are kept until it is back. */
  receiveNoAccess(fault: Fault): void {
    const hidden = this.#hidden || this.#value !== undefined
    this.#fail(new IndelibleError(fault.code, fault.message))
    this.#hidden = hidden
    this.receiveStatus({ ...this.#status, state: 'no-access', error: fault })
  }

  /** @internal Whether the core has a value that is not shown. */
  get hidden(): boolean {
    return this.#hidden
  }

  /** @internal The core forgot everything: unsaved edits are lost, the last value stays visible. */
  restart(error: IndelibleError): void {
    const lost = this.#edits > this.#saved
    this.#edits = 0
    this.#saved = 0
    this.#revisions = new WeakMap()
    this.#conflicts.receive([])
    this.#refusal = lost ? error : null
    this.#settle(Number.POSITIVE_INFINITY, error)
  }

  /** @internal Nothing more will come. `signedOut`: nor may the value be shown any longer. */
  abandon(error: IndelibleError, signedOut: boolean): void {
    this.#ended = error
    this.#settle(Number.POSITIVE_INFINITY, error)
    if (signedOut || this.#value === undefined) this.#fail(error)
    const { code, message } = error
    const { lastSyncTime } = this.#status
    this.receiveStatus({ ...IDLE, lastSyncTime, error: { code, message } })
  }

  #fail(error: IndelibleError): void {
    this.#fault = error
    this.#hidden = false
    this.#ready.reject(error)
    this.#ready = deferred()
    if (this.#value !== undefined) this.#replace(undefined, [])
  }

  #replace(
    value: JsonValue | undefined,
    patches: readonly Patch[],
    news: ValueNews = { changes: patches, local: false },
  ): void {
    if (value === this.#value) return
    this.#value = value
    this.#host.notices.add(() =>
      this.#values.notify(value as JsonObject | undefined, patches, news),
    )
  }

  #name(value: JsonValue, revision: number | null): void {
    if (revision !== null && typeof value === 'object' && value !== null) {
      this.#revisions.set(value, revision)
    }
  }

  #settle(edit: number, error: IndelibleError | null): void {
    const [due, later] = split(this.#waiters, waiter => waiter.edit <= edit)
    this.#waiters = later
    for (const waiter of due) {
      if (error === null) waiter.resolve()
      else waiter.reject(error)
    }
  }
}

function mergeOptions<T>(given: MergeOptions<T> | undefined, method: string): MergeOptions<T> {
  return optionsOf(given, method, { protected: ['refuse', 'keep'], base: 'any' })
}

function split<T>(all: readonly T[], test: (one: T) => boolean): readonly [T[], T[]] {
  return [all.filter(test), all.filter(one => !test(one))]
}
