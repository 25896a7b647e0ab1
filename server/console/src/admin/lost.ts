/**
 * What the server did not take of a user's edits, until the user has dismissed it.
 *
 * Nothing leaves the list by itself: the next edit, which ends a refusal, does not shorten it.
 */

import type { Dropped } from 'indelible'

export interface Lost {
  /** What was reported before the last edit. */
  readonly earlier: readonly Dropped[]
  /** What the status reports now. */
  readonly told: readonly Dropped[]
  /** How much of that was dismissed. */
  readonly seen: number
}

export const NOTHING: Lost = { earlier: [], told: [], seen: 0 }

function same(a: Dropped | undefined, b: Dropped): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** A status has everything that was lost since the last edit; what earlier ones had stays. */
export function tell(lost: Lost, told: readonly Dropped[]): Lost {
  if (told === lost.told) return lost
  const goesOn = lost.told.every((one, index) => same(told[index], one))
  if (goesOn) return { ...lost, told }
  return { earlier: shown(lost), told, seen: 0 }
}

export function dismiss(lost: Lost): Lost {
  return { earlier: [], told: lost.told, seen: lost.told.length }
}

function shown(lost: Lost): Dropped[] {
  return [...lost.earlier, ...lost.told.slice(lost.seen)]
}

/** What to show: for an object that was lost, what was written into it suffices. */
export function readable(lost: Lost): Dropped[] {
  const all = shown(lost)
  return all.filter(({ pointer, attempted }) => {
    const holder = pointer.slice(0, pointer.lastIndexOf('/'))
    const isPlace = pointer.endsWith('/$position')
    const inside = attempted === undefined ? pointer : isPlace ? holder : null
    if (inside === null) return true
    const fields = all.filter(one => one.pointer.startsWith(`${inside}/`))
    return !fields.some(one => !one.pointer.startsWith(`${inside}/$`))
  })
}
