/**
 * Binds a `<textarea>` or `<input type="text">` to a text of an entity: typed letters go to the place
 * where they were typed, what others write appears around them, and caret, selection and scroll
 * position stay at their letters.
 *
 * The element shows the text of the entity, unless it has letters that the entity has not taken (a
 * composition, or letters that were refused and are kept). Then it is left alone: what others write
 * waits, and the letters go to the place where they were typed, wherever that is by then.
 */

import { assertObject, assertPointer, kindOf, optionsOf } from './arguments.js'
import type { Located } from './core.js'
import { IndelibleError } from './errors.js'
import {
  applySplices,
  mapSpan,
  mapSplice,
  type Span,
  type Splice,
  spliceBetween,
  typedSplice,
} from './text.js'
import { LINE, LINES, toShown, toText, type View } from './text-view.js'
import type { Change, MergeResult, Patch, Unsubscribe, ValueNews } from './types.js'
import { inverseOf, Steps } from './undo.js'
import { tokens } from './value.js'

/** What can be bound: an `HTMLTextAreaElement`, or an `HTMLInputElement` of type `text`. */
export interface TextElement {
  readonly tagName: string
  value: string
  readOnly: boolean
  selectionStart: number | null
  selectionEnd: number | null
  scrollTop: number
  addEventListener(type: string, listener: (event: unknown) => void): void
  removeEventListener(type: string, listener: (event: unknown) => void): void
}

/** What a binding needs of an entity; `client.entity` gives one. */
export interface TextEntity<T extends object = object> {
  readonly value: T | undefined
  splice(pointer: string, splice: Splice, options?: { readonly base?: T }): MergeResult
  subscribe(
    listener: (value: T | undefined, patches: readonly Patch[], news: ValueNews) => void,
  ): Unsubscribe
  subscribeStatus(listener: () => void): Unsubscribe
  /** @internal */
  locate(pointer: string): Located | null
  /** @internal */
  keepLetters(kept: boolean): void
}

type TextBox = HTMLTextAreaElement | HTMLInputElement

/** What `bindText` does about edits that are not taken. */
export interface BindTextOptions {
  /**
   * Called with why an edit was not taken, mostly a `PolicyError`; and with `null` when one is
   * taken after that, or what was refused has been undone.
   */
  readonly onError?: (error: Error | null) => void
  /**
   * What happens to letters that the policy refuses. `restore` (default): the element goes back to
   * the text as it is. `keep`: they stay in the element, where they can be corrected.
   */
  readonly refused?: 'restore' | 'keep'
}

/** Makes an element show and edit the text at `pointer`; returns how to end that. */
export function bindText<T extends object>(
  element: TextElement,
  entity: TextEntity<T>,
  pointer: string,
  given?: BindTextOptions,
): Unsubscribe {
  assertElement(element)
  assertEntity(entity)
  assertPointer(pointer)
  const options = optionsOf(given, 'bindText', {
    onError: 'function',
    refused: ['restore', 'keep'],
  })
  const binding = new Binding(element as TextBox, entity, pointer, options)
  return () => binding.end()
}

/** A page that looks an element up too early has `null`. */
function assertElement(given: unknown): void {
  const { tagName, value } = (given ?? {}) as Partial<TextElement>
  const isBox = /^(textarea|input)$/i.test(String(tagName))
  if (isBox && typeof value === 'string') return
  const found = typeof tagName === 'string' ? `<${tagName.toLowerCase()}>` : kindOf(given)
  const message = `what is bound must be a <textarea> or an <input type="text">, not ${found}`
  throw new IndelibleError('argument', message)
}

function assertEntity(given: unknown): void {
  assertObject(given, 'the entity of bindText')
  if ('splice' in given && 'locate' in given) return
  const message = 'the entity of bindText must be one that client.entity gave'
  throw new IndelibleError('argument', message)
}

const WAYS: { readonly [inputType: string]: 'undo' | 'redo' } = {
  historyUndo: 'undo',
  historyRedo: 'redo',
}

class Binding {
  readonly #element: TextBox
  readonly #entity: TextEntity
  readonly #pointer: string
  readonly #options: BindTextOptions
  readonly #view: View
  readonly #ends: Unsubscribe[] = []
  readonly #wasReadOnly: boolean
  /** The text of the entity that the element shows, or was typed into; `null`: none yet. */
  #text: string | null = null
  /** The value of the entity with that text. */
  #base: object | undefined
  /** What others did to that text, while it waits. */
  #waiting: Splice[] = []
  /** The selection before the element's next edit. */
  #before: Span = { start: 0, end: 0 }
  #composing = false
  /** The element holds letters that were refused. */
  #kept = false
  /** Whether an error was reported, and no end of it. */
  #failing = false
  readonly #steps = new Steps()
  /** The changes that the entity reports while an edit is made; `null` at other times. */
  #reported: Change[] | null = null

  constructor(element: TextBox, entity: TextEntity, pointer: string, options: BindTextOptions) {
    this.#element = element
    this.#entity = entity
    this.#pointer = pointer
    this.#options = options
    this.#view = element.tagName === 'TEXTAREA' ? LINES : LINE
    this.#wasReadOnly = element.readOnly
    this.#listen('beforeinput', event => {
      this.#remember()
      this.#retrace(event, WAYS[(event as InputEvent).inputType])
    })
    // A browser that was not let undo has nothing to redo, and does not ask.
    this.#listen('keydown', event => this.#retrace(event, wayOf(event as KeyboardEvent)))
    this.#listen('input', () => this.#take())
    this.#listen('compositionstart', () => {
      this.#remember()
      this.#composing = true
    })
    this.#listen('compositionend', () => {
      this.#composing = false
      this.#take()
    })
    this.#ends.push(
      entity.subscribe((_value, _patches, news) => this.#follow(news.changes)),
      entity.subscribeStatus(() => this.#follow([])),
    )
    this.#follow([])
  }

  end(): void {
    this.#keep(false)
    for (const end of this.#ends) end()
    this.#element.readOnly = this.#wasReadOnly
  }

  #keep(letters: boolean): void {
    if (letters !== this.#kept) this.#entity.keepLetters(letters)
    this.#kept = letters
  }

  #listen(name: string, listener: (event: Event) => void): void {
    this.#element.addEventListener(name, listener)
    this.#ends.push(() => this.#element.removeEventListener(name, listener))
  }

  #remember(): void {
    if (!this.#composing) this.#before = selectionOf(this.#element)
  }

  /** Brings the element to what the entity has by now. */
  #follow(changes: readonly Change[]): void {
    if (this.#reported !== null) {
      this.#reported.push(...changes)
      return
    }
    const place = this.#entity.locate(this.#pointer)
    this.#element.readOnly = this.#wasReadOnly || place?.write !== true
    // A deleted text stays visible; it may come back.
    const value = this.#entity.value
    if (place === null || value === undefined) return
    const text = textAt(value, place.path)
    if (this.#text === null) {
      if (this.#element.value !== this.#view.show(text)) this.#element.value = text
    } else if (this.#composing || this.#kept) {
      const splices = splicesTo(this.#known(), text, changes, place)
      this.#waiting.push(...splices)
      this.#steps.others(splices)
      return
    } else {
      const splices = splicesTo(this.#text, text, changes, place)
      this.#show(toShown(this.#view, this.#text, splices))
      this.#steps.others(splices)
    }
    this.#settle(text, value)
  }

  #settle(text: string, value: object | undefined): void {
    this.#text = text
    this.#base = value
    this.#waiting = []
  }

  /** The text with what others did to it. */
  #known(): string {
    const text = this.#text ?? ''
    return applySplices(text, this.#waiting) ?? text
  }

  /** Takes in what the element's owner did to it. */
  #take(): void {
    const text = this.#text
    if (this.#composing || text === null) return
    const { value, selectionEnd } = this.#element
    const typed = typedSplice(this.#view.show(text), value, selectionEnd)
    this.#reported = []
    let failure: IndelibleError | null = null
    try {
      if (typed !== null) this.#write(toText(this.#view, text, typed))
    } catch (error) {
      if (!(error instanceof IndelibleError)) throw error
      failure = error
    } finally {
      const reported = this.#reported
      this.#reported = null
      if (typed === null) this.#catchUp()
      else if (failure === null) this.#accept(typed, reported)
      else this.#refuse(failure)
    }
  }

  #write(splice: Splice): void {
    const base = this.#base
    try {
      this.#entity.splice(this.#pointer, splice, base === undefined ? {} : { base })
    } catch (error) {
      if (!(error instanceof IndelibleError && error.code === 'unknown-base')) throw error
      // The entity was started over: the place is found by what came since.
      this.#entity.splice(this.#pointer, mapSplice(splice, this.#waiting))
    }
  }

  /** The entity took `typed`, among what others wrote. */
  #accept(typed: Splice, changes: readonly Change[]): void {
    const value = this.#entity.value
    const place = this.#entity.locate(this.#pointer)
    if (value !== undefined && place !== null) {
      const known = this.#known()
      const text = textAt(value, place.path)
      const others = toShown(this.#view, this.#text ?? '', this.#waiting)
      const splices = splicesTo(known, text, changes, place)
      const own = toShown(this.#view, known, splices)
      const whole = splices.length === 1 ? splices[0] : spliceBetween(known, text)
      if (whole) this.#steps.typed(inverseOf(known, [whole]))
      const shown = this.#view.show(text)
      if (shown !== this.#element.value)
        this.#put(shown, place => landed(place, typed, others, own))
      this.#settle(text, value)
    }
    this.#keep(false)
    this.#report(null)
  }

  /** Takes the owner's last step back, or makes it again. */
  #retrace(event: Event, way: 'undo' | 'redo' | undefined): void {
    const before = this.#text
    if (way === undefined || before === null || this.#composing || this.#kept) return
    event.preventDefault()
    const splices = this.#steps.next(way)
    if (splices === null) return
    this.#reported = []
    try {
      for (const splice of splices) this.#entity.splice(this.#pointer, splice)
    } catch (error) {
      if (!(error instanceof IndelibleError)) throw error
      this.#reported = null
      this.#steps.clear()
      this.#report(error)
      this.#follow([])
      return
    } finally {
      this.#reported = null
    }
    const text = applySplices(before, splices) ?? before
    const last = splices.at(-1)
    const end = last === undefined ? 0 : last.index + last.insert.length
    const caret = this.#view.show(text.slice(0, end)).length
    this.#put(this.#view.show(text), () => ({ start: caret, end: caret }))
    this.#steps.carried(way, inverseOf(before, splices))
    this.#settle(text, this.#entity.value)
    this.#report(null)
    this.#follow([])
  }

  #refuse(error: IndelibleError): void {
    if (this.#options.refused === 'keep') {
      this.#keep(true)
    } else {
      const others = toShown(this.#view, this.#text ?? '', this.#waiting)
      const span = others.reduce(mapSpan, this.#before)
      const known = this.#known()
      this.#put(this.#view.show(known), () => span)
      this.#settle(known, this.#entity.value)
    }
    this.#report(error)
    if (!this.#kept) this.#follow([])
  }

  /** The element holds no letters of its own any more: what waited for them is shown. */
  #catchUp(): void {
    const known = this.#known()
    this.#show(toShown(this.#view, this.#text ?? '', this.#waiting))
    this.#text = known
    this.#waiting = []
    this.#keep(false)
    this.#report(null)
    this.#follow([])
  }

  #report(error: IndelibleError | null): void {
    if (error === null && !this.#failing) return
    this.#failing = error !== null
    this.#options.onError?.(error)
  }

  #show(splices: readonly Splice[]): void {
    if (splices.length === 0) return
    const text = applySplices(this.#element.value, splices)
    // Another program wrote into the element: then its letters are not those of the text.
    if (text !== null) this.#put(text, span => splices.reduce(mapSpan, span), splices)
  }

  /** Puts a text into the element, with the selection where `map` finds it then. */
  #put(text: string, map: (span: Span) => Span, splices: readonly Splice[] = []): void {
    const element = this.#element
    const { selectionDirection, scrollTop, scrollLeft, scrollHeight } = element
    const before = selectionOf(element)
    const { start, end } = map(before)
    const root = element.getRootNode() as Document | ShadowRoot
    element.value = text
    // Elements that are not focused would take the focus in some browsers.
    if (root.activeElement === element) {
      element.setSelectionRange(start, end, selectionDirection ?? 'none')
    }
    const above = splices.length > 0 && splices.every(({ index }) => index < before.start)
    const moved = above && scrollTop > 0 ? element.scrollHeight - scrollHeight : 0
    element.scrollTop = scrollTop + moved
    element.scrollLeft = scrollLeft
  }
}

/** What a key asks for. */
function wayOf({ key, ctrlKey, metaKey, shiftKey, altKey }: KeyboardEvent) {
  if (ctrlKey === metaKey || altKey) return undefined
  const letter = key.toLowerCase()
  if (letter === 'z') return shiftKey ? 'redo' : 'undo'
  return letter === 'y' && ctrlKey && !shiftKey ? 'redo' : undefined
}

function selectionOf({ selectionStart, selectionEnd }: TextElement): Span {
  const start = selectionStart ?? 0
  return { start, end: selectionEnd ?? start }
}

/** Where a selection in the author's text is, now that `typed` is among what others wrote. */
function landed(
  { start, end }: Span,
  typed: Splice,
  others: readonly Splice[],
  own: readonly Splice[],
): Span {
  const insert = typed.insert
  const at = own.findIndex(splice => insert !== '' && splice.insert === insert)
  const mine = own[at]
  const place = (offset: number): number => {
    const inside = offset - typed.index
    if (mine !== undefined && inside >= 0 && inside <= insert.length) {
      const here = mine.index + inside
      return own.slice(at + 1).reduce(mapSpan, { start: here, end: here }).end
    }
    const old = inside < 0 ? offset : Math.max(typed.index, offset - insert.length + typed.remove)
    return [...others, ...own].reduce(mapSpan, { start: old, end: old }).end
  }
  return { start: place(start), end: place(end) }
}

/** The text at a path with indices; empty where it is absent. */
function textAt(value: object, path: string): string {
  let here: unknown = value
  for (const token of tokens(path)) {
    const inside = typeof here === 'object' && here !== null && Object.hasOwn(here, token)
    here = inside ? (here as Record<string, unknown>)[token] : undefined
  }
  return typeof here === 'string' ? here : ''
}

/** The splices from one text to another: the reported ones, if they lead there. */
function splicesTo(
  from: string,
  to: string,
  changes: readonly Change[],
  { path }: Located,
): readonly Splice[] {
  const reported = changes.filter(change => change.op === 'splice' && change.path === path)
  const splices = reported as readonly Splice[]
  if (applySplices(from, splices) === to) return splices
  const splice = spliceBetween(from, to)
  return splice === null ? [] : [splice]
}
