/**
 * A text as an element shows it: a `<textarea>` holds every line break as one line feed, an
 * `<input>` holds none. Places and splices go from one to the other.
 */

import { applySplices, type Splice, spliceBetween } from './text.js'

/** How an element shows line breaks. */
export interface View {
  /** What the element holds for a text. */
  show(text: string): string
  /** How many code units of a text there are for the one shown at a place; some are not shown. */
  step(text: string, index: number): { readonly units: number; readonly shown: number }
}

/** Several lines: `\r\n` and `\r` are shown as `\n`. */
export const LINES: View = {
  show: text => (text.includes('\r') ? text.replaceAll(/\r\n?/g, '\n') : text),
  step: (text, index) => ({ units: text.startsWith('\r\n', index) ? 2 : 1, shown: 1 }),
}

/** One line: line breaks are not shown. */
export const LINE: View = {
  show: text => text.replaceAll(/[\r\n]/g, ''),
  step: (text, index) => ({ units: 1, shown: /[\r\n]/.test(text.charAt(index)) ? 0 : 1 }),
}

/** A splice of what is shown, as a splice of the text. */
export function toText(view: View, text: string, splice: Splice): Splice {
  const index = textPlace(view, text, splice.index)
  const end = textPlace(view, text, splice.index + splice.remove)
  return { index, remove: end - index, insert: splice.insert }
}

/** Splices of the text, as splices of what is shown. */
export function toShown(view: View, text: string, splices: readonly Splice[]): readonly Splice[] {
  if (view.show(text) === text && splices.every(({ insert }) => view.show(insert) === insert)) {
    return splices
  }
  let before = text
  return splices.flatMap(splice => {
    const from = before
    const to = applySplices(from, [splice]) ?? from
    before = to
    const start = shownPlace(view, from, splice.index)
    const end = shownPlace(view, from, splice.index + splice.remove)
    const exact = { index: start, remove: end - start, insert: view.show(splice.insert) }
    if (applySplices(view.show(from), [exact]) === view.show(to)) return [exact]
    // A line break was cut in two.
    return spliceBetween(view.show(from), view.show(to)) ?? []
  })
}

function textPlace(view: View, text: string, place: number): number {
  if (view.show(text) === text) return place
  let index = 0
  for (let shown = 0; shown < place && index < text.length; ) {
    const step = view.step(text, index)
    shown += step.shown
    index += step.units
  }
  return index
}

function shownPlace(view: View, text: string, place: number): number {
  let shown = 0
  for (let index = 0; index < place; ) {
    const step = view.step(text, index)
    shown += step.shown
    index += step.units
  }
  return shown
}
