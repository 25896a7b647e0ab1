/**
 * Undo and redo for the owner of a text box, while others write into the same text. Browsers forget
 * their steps when a program sets the text of a box.
 *
 * A step removes its own letters and restores those that it deleted, wherever they are now; what
 * others wrote stays.
 */

import { applySplices, mapSplice, type Splice } from './text.js'

interface Step {
  /** Take the step back, one after the other, on the text right after it. */
  inverse: readonly Splice[]
  /** What others did after it, and before the next step. */
  readonly others: Splice[]
}

/** How many steps are kept. */
const STEPS_MAX = 500

/** The inverse of `splices`, which were made on `text`. */
export function inverseOf(text: string, splices: readonly Splice[]): readonly Splice[] {
  let before = text
  const inverse = splices.map(splice => {
    const { index, remove, insert } = splice
    const back = { index, remove: insert.length, insert: before.slice(index, index + remove) }
    before = applySplices(before, [splice]) ?? before
    return back
  })
  return inverse.reverse()
}

/** Steps in both directions. */
export class Steps {
  #done: Step[] = []
  #undone: Step[] = []

  /** The owner edited; `inverse` takes that back. Letters of one run are one step. */
  typed(inverse: readonly Splice[]): void {
    this.#undone = []
    const last = this.#done.at(-1)
    const joined = last?.others.length === 0 ? join(last.inverse, inverse) : null
    if (last !== undefined && joined !== null) last.inverse = [joined]
    else this.#done.push({ inverse, others: [] })
    if (this.#done.length > STEPS_MAX) this.#done.shift()
  }

  /** Others edited. */
  others(splices: readonly Splice[]): void {
    this.#done.at(-1)?.others.push(...splices)
    this.#undone.at(-1)?.others.push(...splices)
  }

  /** The splices that take the last step back, or make it again. */
  next(way: 'undo' | 'redo'): readonly Splice[] | null {
    const steps = way === 'undo' ? this.#done : this.#undone
    const step = steps.pop()
    if (step === undefined) return null
    let below: readonly Splice[] = step.others
    const found = step.inverse.flatMap(splice => {
      const { parts, others } = past(splice, below)
      below = others
      return parts
    })
    steps.at(-1)?.others.push(...below)
    return found
  }

  /** The last `next` was carried out; `inverse` takes it back. */
  carried(way: 'undo' | 'redo', inverse: readonly Splice[]): void {
    const steps = way === 'undo' ? this.#undone : this.#done
    steps.push({ inverse, others: [] })
  }

  /** Nothing can be taken back any more. */
  clear(): void {
    this.#done = []
    this.#undone = []
  }
}

/** A splice after what others did to the same text, and that after the splice. */
function past(splice: Splice, others: readonly Splice[]) {
  let parts: readonly Splice[] = [splice]
  const carried = others.map(other => {
    const after = parts.reduce((one, part) => mapSplice(one, [part]), other)
    parts = parts.flatMap(part => around(part, other))
    return after
  })
  return { parts, others: carried }
}

/** A splice on the text that `other` changed; what that put among its letters stays. */
function around(part: Splice, other: Splice): readonly Splice[] {
  const end = part.index + part.remove
  const inside = other.remove === 0 && part.index < other.index && other.index < end
  if (!inside) return [mapSplice(part, [other])]
  const behind = other.index + other.insert.length
  const last = { index: behind, remove: end - other.index, insert: '' }
  return [last, { ...part, remove: other.index - part.index }]
}

/** One splice that takes back two edits, if they are of one run of letters. */
function join(before: readonly Splice[], after: readonly Splice[]): Splice | null {
  const [first, second] = [before[0], after[0]]
  if (first === undefined || second === undefined) return null
  if (before.length > 1 || after.length > 1) return null
  const typed = first.insert === '' && second.insert === ''
  if (typed && second.index === first.index + first.remove) {
    return { ...first, remove: first.remove + second.remove }
  }
  const erased = first.remove === 0 && second.remove === 0
  if (erased && second.index + second.insert.length === first.index) {
    return { index: second.index, remove: 0, insert: second.insert + first.insert }
  }
  if (erased && second.index === first.index) {
    return { ...first, insert: first.insert + second.insert }
  }
  return null
}
