/**
 * Text edits as splices, counted in UTF-16 code units as JavaScript does, and where places in a text
 * move to while others edit it. No splice that is made here cuts a surrogate pair.
 */

/** A replaced part of a text. */
export interface Splice {
  /** Where it begins. */
  readonly index: number
  /** How many code units go. */
  readonly remove: number
  /** What comes in their place. */
  readonly insert: string
}

/** A selection: `start === end` is a caret. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** The text after splices; `null` when they do not fit it. */
export function applySplices(text: string, splices: readonly Splice[]): string | null {
  let result = text
  for (const { index, remove, insert } of splices) {
    if (!(index >= 0 && remove >= 0 && index + remove <= result.length)) return null
    result = result.slice(0, index) + insert + result.slice(index + remove)
  }
  return result
}

/**
 * Where a place is after a splice. A place right at an insertion stays before it, as a caret does: its
 * owner continues to type there.
 */
export function mapPlace(place: number, { index, remove, insert }: Splice): number {
  if (place <= index) return place
  const end = index + remove
  return place < end ? index : place - remove + insert.length
}

/** Where a selection is after a splice; what others insert at its ends is not selected. */
export function mapSpan({ start, end }: Span, splice: Splice): Span {
  if (start === end) {
    const place = mapPlace(start, splice)
    return { start: place, end: place }
  }
  const inserted = splice.remove === 0 && splice.index === start
  const from = inserted ? start + splice.insert.length : mapPlace(start, splice)
  return { start: from, end: Math.max(from, mapPlace(end, splice)) }
}

/** A splice that was made on a text which `others` have changed since, on the changed text. */
export function mapSplice(splice: Splice, others: readonly Splice[]): Splice {
  const span = { start: splice.index, end: splice.index + splice.remove }
  const { start, end } = others.reduce(mapSpan, span)
  return { index: start, remove: end - start, insert: splice.insert }
}

/**
 * The splice that an author made, of which the text before and after are known, and where their
 * caret is now: what follows the caret was there before. `null` when nothing changed.
 */
export function typedSplice(before: string, after: string, caret: number | null): Splice | null {
  if (before === after) return null
  const rest = caret === null ? -1 : after.length - caret
  const known =
    rest >= 0 && rest <= before.length && before.endsWith(after.slice(after.length - rest))
  return known ? ending(before, after, rest) : spliceBetween(before, after)
}

/** The smallest splice between two texts of which nothing else is known. `null`: they are equal. */
export function spliceBetween(before: string, after: string): Splice | null {
  if (before === after) return null
  const head = commonHead(before, after, Math.min(before.length, after.length))
  const shorter = Math.min(before.length, after.length) - head
  let tail = 0
  while (tail < shorter && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1
  return ending(before, after, tail)
}

/** The splice after which `tail` code units are as before. */
function ending(before: string, after: string, tail: number): Splice {
  let from = before.length - tail
  let to = after.length - tail
  if (isInside(before, from) || isInside(after, to)) {
    from += 1
    to += 1
  }
  let head = commonHead(before, after, Math.min(from, to))
  if (isInside(before, head) || isInside(after, head)) head -= 1
  return { index: head, remove: from - head, insert: after.slice(head, to) }
}

function commonHead(before: string, after: string, max: number): number {
  let head = 0
  while (head < max && before[head] === after[head]) head += 1
  return head
}

/** Whether a place is inside a surrogate pair. */
function isInside(text: string, place: number): boolean {
  return /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(Math.max(0, place - 1), place + 1))
}
