// A text box and an entity in miniature, for tests of `bindText`. Letters have identities here, so
// that a model can say where each of them, and a caret between them, has to be.

import type { TextElement } from '../bind-text.js'
import type { Located } from '../core.js'
import type { Entity } from '../entity.js'
import { IndelibleError, PolicyError } from '../errors.js'
import type { Splice } from '../text.js'
import type { Change, JsonObject, ValueNews } from '../types.js'

/** Numbers that are the same for the same seed. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e3779b1) | 1
  }

  below(end: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % end
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T
  }
}

/** What the binding uses of an element, with the behaviour that the HTML standard gives it. */
export class Box extends EventTarget {
  readonly tagName: string
  readOnly = false
  selectionStart = 0
  selectionEnd = 0
  selectionDirection: 'forward' | 'backward' | 'none' = 'none'
  scrollTop = 0
  scrollLeft = 0
  focused = true
  #value = ''

  constructor(tagName: 'TEXTAREA' | 'INPUT' = 'TEXTAREA') {
    super()
    this.tagName = tagName
  }

  get scrollHeight(): number {
    return this.#value.split('\n').length * 20
  }

  get value(): string {
    return this.#value
  }

  set value(value: string) {
    const lines = value.replaceAll(/\r\n?/g, '\n')
    this.#value = this.tagName === 'TEXTAREA' ? lines : lines.replaceAll('\n', '')
    this.setSelectionRange(this.#value.length, this.#value.length)
  }

  setSelectionRange(start: number, end: number, direction: string = 'none'): void {
    this.selectionStart = Math.min(start, this.#value.length)
    this.selectionEnd = Math.min(end, this.#value.length)
    this.selectionDirection = direction as 'none'
  }

  getRootNode(): unknown {
    return { activeElement: this.focused ? this : null }
  }

  get element(): TextElement {
    return this as unknown as TextElement
  }

  tell(name: string): void {
    this.dispatchEvent(new Event(name))
  }

  /** What a key or the clipboard does: replaces the selection. */
  type(text: string): void {
    this.tell('beforeinput')
    this.#edit(this.selectionStart, this.selectionEnd, text)
    this.tell('input')
  }

  /** Deletes the selection, or the letter before or after the caret. */
  erase(forward = false): void {
    const { selectionStart: start, selectionEnd: end } = this
    this.tell('beforeinput')
    if (start !== end) this.#edit(start, end, '')
    else if (forward) this.#edit(start, start + width(this.#value.slice(start)), '')
    else this.#edit(start - lastWidth(this.#value.slice(0, start)), start, '')
    this.tell('input')
  }

  /** Asks for the last step to be taken back, or made again. */
  retrace(inputType: 'historyUndo' | 'historyRedo'): void {
    const event = Object.assign(new Event('beforeinput', { cancelable: true }), { inputType })
    if (this.dispatchEvent(event)) throw new Error('it was left to the browser')
  }

  /** Begins a composition; `compose` goes on with it. */
  startComposing(): void {
    this.tell('compositionstart')
  }

  /** Replaces what has been composed so far, `before`. */
  compose(before: string, text: string): void {
    this.tell('beforeinput')
    this.#edit(this.selectionEnd - before.length, this.selectionEnd, text)
    this.tell('input')
  }

  endComposing(): void {
    this.tell('compositionend')
  }

  #edit(start: number, end: number, text: string): void {
    const value = this.#value
    this.#value = value.slice(0, start) + text + value.slice(end)
    this.setSelectionRange(start + text.length, start + text.length)
  }
}

const width = (text: string): number => (text === '' ? 0 : [...text][0]?.length) ?? 0
const lastWidth = (text: string): number => [...text].at(-1)?.length ?? 0

export interface Letter {
  readonly text: string
  gone: boolean
}

type Listener = (value: JsonObject, patches: readonly never[], news: ValueNews) => void

/** An entity with one text, `/text`, that others write too. */
export class SharedText {
  /** In order, those that are gone included. */
  readonly letters: Letter[] = []
  value: JsonObject | undefined = { text: '' }
  path = '/text'
  write = true
  present = true
  /** What to refuse. */
  refuses: (text: string) => boolean = () => false
  /** How many boxes keep letters that were refused. */
  kept = 0
  /** Whether the next earlier value is not known any more. */
  forgets = false
  readonly #seen = new WeakMap<object, readonly Letter[]>()
  readonly #listeners = new Set<Listener>()
  readonly #statuses = new Set<() => void>()

  constructor(text = '') {
    this.letters = lettersOf(text)
    this.#renew([], null)
  }

  get entity(): Entity {
    return this as unknown as Entity
  }

  get alive(): readonly Letter[] {
    return this.letters.filter(letter => !letter.gone)
  }

  get text(): string {
    return this.alive.map(({ text }) => text).join('')
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  subscribeStatus(listener: () => void): () => void {
    this.#statuses.add(listener)
    return () => this.#statuses.delete(listener)
  }

  tellStatus(): void {
    for (const listener of this.#statuses) listener()
  }

  keepLetters(kept: boolean): void {
    this.kept += kept ? 1 : -1
  }

  locate(pointer: string): Located | null {
    return this.present ? { pointer, path: this.path, write: this.write } : null
  }

  splice(_pointer: string, splice: Splice, { base }: { base?: object } = {}): void {
    const seen = base === undefined ? this.alive : this.#seen.get(base)
    if (seen === undefined || (this.forgets && base !== this.value && base !== undefined)) {
      throw new IndelibleError('unknown-base', 'the base is not known')
    }
    if (this.refuses(splice.insert)) throw new PolicyError([], 'refused')
    this.#edit(seen, splice, true)
  }

  /** Somebody else replaces some letters. */
  others(index: number, remove: number, insert: string): void {
    const alive = this.alive
    const before = alive.slice(0, index).reduce((sum, { text }) => sum + text.length, 0)
    const gone = alive.slice(index, index + remove).reduce((sum, { text }) => sum + text.length, 0)
    this.#edit(alive, { index: before, remove: gone, insert }, false)
  }

  /** The whole value comes again, without what changed in it. */
  restart(text: string): void {
    this.letters.splice(0, this.letters.length, ...lettersOf(text))
    this.#renew([], false)
  }

  #edit(seen: readonly Letter[], splice: Splice, local: boolean): void {
    const changes: Change[] = []
    const at = placeOf(seen, splice.index)
    const end = placeOf(seen, splice.index + splice.remove)
    for (const letter of seen.slice(at, end).filter(({ gone }) => !gone)) {
      changes.push({ ...this.#op(letter), remove: letter.text.length, insert: '' })
      letter.gone = true
    }
    if (splice.insert !== '') {
      const before = seen[at - 1]
      const place = before === undefined ? 0 : this.letters.indexOf(before) + 1
      const typed = lettersOf(splice.insert)
      this.letters.splice(place, 0, ...typed)
      const first = this.#op(typed[0] as Letter)
      changes.push({ ...first, remove: 0, insert: splice.insert })
    }
    this.#renew(changes, local)
  }

  #op(letter: Letter): { op: 'splice'; path: string; index: number } {
    const before = this.letters.slice(0, this.letters.indexOf(letter)).filter(one => !one.gone)
    const index = before.reduce((sum, { text }) => sum + text.length, 0)
    return { op: 'splice', path: this.path, index }
  }

  #renew(changes: readonly Change[], local: boolean | null): void {
    const value = { text: this.text }
    this.value = value
    this.#seen.set(value, this.alive)
    if (local === null) return
    for (const listener of [...this.#listeners]) listener(value, [], { changes, local })
  }
}

function lettersOf(text: string): Letter[] {
  return (text.match(/\r\n|./gsu) ?? []).map(letter => ({ text: letter, gone: false }))
}

function placeOf(letters: readonly Letter[], units: number): number {
  let left = units
  let place = 0
  for (; left > 0; place += 1) left -= (letters[place] as Letter).text.length
  if (left < 0) throw new Error('a letter is cut in two')
  return place
}
