/**
 * Values of ours that lost against one that another author wrote at the same time.
 *
 * The list is replaced, never changed, and only by what the core reports.
 */

import { kindOf, quoted } from './arguments.js'
import type { Core } from './core.js'
import type { ConflictReport } from './core-events.js'
import { IndelibleError } from './errors.js'
import { Listeners, type NotificationQueue } from './listeners.js'
import type { JsonValue, Unsubscribe } from './types.js'

/** Who wrote something. */
export interface Author {
  readonly id: string
  readonly name: string | null
}

/**
 * Our value of a field and another one that was written at the same time and is the current one.
 * It ends when it is dismissed, when ours is written again, or when an author who saw both values
 * writes the field.
 */
export interface Conflict {
  /**
   * JSON Pointer; items of keyed lists are named by their id. `$position` and `$deleted` at its end
   * are the place of an item and whether it is deleted.
   */
  readonly pointer: string
  /** What we wrote; absent where we removed the value. */
  readonly mine?: JsonValue
  /** The current value; absent where it was removed. */
  readonly stands?: JsonValue
  /** Who wrote the current value, as far as it is known here. */
  readonly by: Author | null
  /** When the server admitted the later of both; milliseconds since the Unix epoch. */
  readonly at: number | null
  /**
   * `mine` writes our value again, as an ordinary edit; `theirs` forgets ours.
   *
   * @throws PolicyError when our value may not be written any more; IndelibleError `keep` for
   * anything but the two words.
   */
  keep(which: 'mine' | 'theirs'): void
}

/** Called with all conflicts, and those among them that are new. */
export type ConflictListener = (conflicts: readonly Conflict[], added: readonly Conflict[]) => void

/** @internal What the conflicts of an entity need of it. */
interface Owner {
  readonly name: string
  readonly notices: NotificationQueue
  readonly core: Core | null
  /** Takes in what a call to the core brought about. */
  edited(core: Core): void
}

const NONE: readonly Conflict[] = Object.freeze([])

/** @internal The conflicts of one entity. */
export class Conflicts {
  readonly #owner: Owner
  readonly #listeners = new Listeners<[readonly Conflict[], readonly Conflict[]]>()
  #list = NONE

  constructor(owner: Owner) {
    this.#owner = owner
  }

  get list(): readonly Conflict[] {
    return this.#list
  }

  subscribe(listener: ConflictListener): Unsubscribe {
    return this.#listeners.add(listener)
  }

  /** Takes the list of the core; a conflict that did not change keeps its object. */
  receive(reports: readonly ConflictReport[]): void {
    if (reports.length === 0 && this.#list.length === 0) return
    const known = new Map(this.#list.map(conflict => [keyOf(conflict), conflict]))
    const next = reports.map(report => known.get(keyOf(report)) ?? this.#conflict(report))
    const added = next.filter(conflict => known.get(keyOf(conflict)) !== conflict)
    this.#list = Object.freeze(next)
    const list = this.#list
    this.#owner.notices.add(() => this.#listeners.notify(list, added))
  }

  #conflict(report: ConflictReport): Conflict {
    const { by } = report
    return Object.freeze({
      ...report,
      by: by === null ? null : Object.freeze({ id: by.id, name: by.name ?? null }),
      keep: (which: 'mine' | 'theirs') => this.#keep(report.pointer, which),
    })
  }

  #keep(pointer: string, which: 'mine' | 'theirs'): void {
    // Anything else would forget our value without having been asked to.
    if (which !== 'mine' && which !== 'theirs') {
      const found = typeof which === 'string' ? quoted(which) : kindOf(which)
      throw new IndelibleError('keep', `keep takes 'mine' or 'theirs', not ${found}`)
    }
    const { core, name } = this.#owner
    // One that ended meanwhile has nothing to decide.
    if (core === null || !this.#list.some(conflict => conflict.pointer === pointer)) return
    if (which === 'mine') core.keep(name, pointer)
    else core.dismiss(name, pointer)
    this.#owner.edited(core)
  }
}

function keyOf({ pointer, mine, stands, by, at }: ConflictReport): string {
  return JSON.stringify([pointer, mine ?? null, stands ?? null, by?.id ?? null, at])
}
