/**
 * Text edits as splices, in UTF-16 code units.
 *
 * Owns the arithmetic that keeps a caret where its owner left it while other people's edits
 * arrive. Invariant: a splice never cuts a surrogate pair. Knows nothing of the DOM or of entities.
 */

export interface Splice {
  readonly at: number
  readonly removed: number
  readonly inserted: string
}

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff

/** The one smallest splice that turns `from` into `to`, or null when they are equal. */
export function spliceBetween(from: string, to: string): Splice | null {
  if (from === to) return null
  const shorter = Math.min(from.length, to.length)
  let head = 0
  while (head < shorter && from[head] === to[head]) head += 1
  if (head > 0 && isHigh(from.charCodeAt(head - 1))) head -= 1
  let tail = 0
  while (tail < shorter - head && from[from.length - 1 - tail] === to[to.length - 1 - tail]) {
    tail += 1
  }
  if (tail > 0 && isLow(from.charCodeAt(from.length - tail))) tail -= 1
  return {
    at: head,
    removed: from.length - head - tail,
    inserted: to.slice(head, to.length - tail),
  }
}

/** Where the position `offset` is after `splice`; a position inside what was removed moves to its start. */
export function mapOffset(offset: number, splice: Splice): number {
  if (offset <= splice.at) return offset
  const end = splice.at + splice.removed
  if (offset >= end) return offset - splice.removed + splice.inserted.length
  return splice.at
}

/** `local`, made on a text that `remote` has changed since, as a splice of the changed text. */
export function rebase(local: Splice, remote: Splice): Splice {
  const at = mapOffset(local.at, remote)
  const end = mapOffset(local.at + local.removed, remote)
  return { at, removed: Math.max(0, end - at), inserted: local.inserted }
}

export function applySplice(text: string, splice: Splice): string {
  return text.slice(0, splice.at) + splice.inserted + text.slice(splice.at + splice.removed)
}
