/**
 * A person who types into a text box of a page, and what a model needs to know of it: for each
 * edit, the text that was seen and where it was made.
 *
 * Every letter is written once only, so that it can be found again.
 */

import { setTimeout as pause } from 'node:timers/promises'

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').CDPSession} CDPSession */

/**
 * One edit: `typed` replaced what was from `start` to `end` of `seen`.
 *
 * @typedef {{ seen: string, start: number, end: number, typed: string, strayed: string | null }} Edit
 */

/**
 * Numbers from 0 to 1 that are the same for the same seed.
 *
 * @param {number} seed
 * @returns {() => number}
 */
export function chances(seed) {
  let state = Math.imul(seed, 0x9e3779b1) | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

export class Typist {
  #letters = 0

  /**
   * @param {{ page: Page, keyboard: CDPSession, selector: string, number: number, seed: number }} of
   */
  constructor({ page, keyboard, selector, number, seed }) {
    this.page = page
    this.keyboard = keyboard
    this.selector = selector
    this.number = number
    this.chance = chances(seed * 16 + number + 1)
  }

  /**
   * @param {Page} page
   * @param {string} selector of the box
   * @param {number} number a different one for each person
   * @param {number} seed
   * @returns {Promise<Typist>}
   */
  static async at(page, selector, number, seed) {
    const keyboard = await page.context().newCDPSession(page)
    const typist = new Typist({ page, keyboard, selector, number, seed })
    await page.locator(selector).evaluate(watch)
    return typist
  }

  /** @returns {Promise<Edit[]>} */
  edits() {
    return this.page.evaluate(() => /** @type {any} */ (window).edits)
  }

  /** @returns {Promise<string>} */
  shown() {
    return this.page.locator(this.selector).inputValue()
  }

  /** Puts the caret somewhere. */
  async begin() {
    await this.page.locator(this.selector).focus()
    const place = this.chance()
    await this.page.locator(this.selector).evaluate((element, share) => {
      const box = /** @type {HTMLTextAreaElement} */ (element)
      const letters = [...box.value]
      const at = letters.slice(0, Math.floor(share * (letters.length + 1))).join('').length
      box.setSelectionRange(at, at)
      box.dispatchEvent(new Event('keyup'))
    }, place)
  }

  /** Makes some edits, at the pace of a person. */
  async type(/** @type {number} */ count) {
    for (let step = 0; step < count; step += 1) {
      await this.#once()
      await pause(20 + this.chance() * 140)
    }
  }

  async #once() {
    const choice = this.chance()
    if (choice < 0.62) await this.page.keyboard.insertText(this.#letter())
    else if (choice < 0.72) await this.page.keyboard.press('Backspace')
    else if (choice < 0.76) await this.page.keyboard.press('Delete')
    else if (choice < 0.82) await this.page.keyboard.press(this.#arrow())
    else if (choice < 0.86) {
      await this.page.keyboard.press(`Shift+${this.#arrow()}`)
      await this.page.keyboard.insertText(this.#letter())
    } else if (choice < 0.88) await this.begin()
    else await this.#compose()
  }

  #arrow() {
    return this.chance() < 0.5 ? 'ArrowLeft' : 'ArrowRight'
  }

  #letter() {
    this.#letters += 1
    const wide = this.chance() < 0.2
    const first = wide ? 0x20000 + this.number * 0x1000 : 0x4e00 + this.number * 0x1000
    return String.fromCodePoint(first + this.#letters)
  }

  /** Letters that are put together over a while, as an input method does. */
  async #compose() {
    const text = this.#letter() + this.#letter()
    for (const draft of ['k', 'ka', 'kan']) {
      await this.keyboard.send('Input.imeSetComposition', {
        text: draft,
        selectionStart: draft.length,
        selectionEnd: draft.length,
      })
      await pause(20 + this.chance() * 100)
    }
    if (this.chance() < 0.8) await this.keyboard.send('Input.insertText', { text })
    else {
      await this.keyboard.send('Input.imeSetComposition', {
        text: '',
        selectionStart: 0,
        selectionEnd: 0,
      })
    }
  }
}

/**
 * Runs in the page: notes each edit of the box before anybody else hears of it.
 *
 * @param {Element} element
 */
function watch(element) {
  const box = /** @type {HTMLTextAreaElement} */ (element)
  /** @type {Edit[]} */
  const edits = []
  const page = /** @type {{ edits?: Edit[], watching?: AbortController }} */ (window)
  page.watching?.abort()
  page.watching = new AbortController()
  page.edits = edits
  const { signal } = page.watching
  /** The letter that the caret is behind, as its owner left it; `null`: not known. */
  let behind = /** @type {string | null} */ (null)
  let before = { seen: '', start: 0, end: 0 }
  let composing = false
  const state = () => ({ seen: box.value, start: box.selectionStart, end: box.selectionEnd })
  const letterAt = (/** @type {string} */ text, /** @type {number} */ place) =>
    [...text.slice(0, place)].at(-1) ?? ''
  /** Whether the caret is elsewhere than where it was left, though its letter is there. */
  const strayed = () => {
    const { seen, start, end } = before
    if (behind === null || start !== end) return null
    const there = behind === '' || seen.includes(behind)
    const at = letterAt(seen, start)
    return there && at !== behind ? `behind “${at}” instead of “${behind}”` : null
  }
  const note = (/** @type {string} */ typed) => {
    edits.push({ ...before, typed, strayed: strayed() })
    behind = letterAt(box.value, box.selectionStart)
  }
  const capture = { capture: true, signal }
  box.addEventListener(
    'beforeinput',
    () => {
      if (!composing) before = state()
    },
    capture,
  )
  box.addEventListener(
    'input',
    () => {
      if (composing) return
      const { seen, start, end } = before
      const added = box.value.length - seen.length
      if (start !== end || added > 0) {
        note(box.value.slice(start, box.selectionEnd))
        return
      }
      // A letter before or behind the caret went.
      const forward = box.selectionStart === start
      before = {
        seen,
        start: forward ? start : start + added,
        end: forward ? start - added : start,
      }
      if (added !== 0) note('')
    },
    capture,
  )
  box.addEventListener(
    'compositionstart',
    () => {
      before = state()
      composing = true
    },
    capture,
  )
  box.addEventListener(
    'compositionend',
    event => {
      composing = false
      if (event.data !== '' || before.start !== before.end) note(event.data)
    },
    capture,
  )
  for (const name of ['keyup', 'pointerup']) {
    box.addEventListener(
      name,
      event => {
        const key = event instanceof KeyboardEvent ? event.key : 'Home'
        if (/Arrow|Home|End/.test(key)) behind = letterAt(box.value, box.selectionStart)
      },
      capture,
    )
  }
}

/**
 * What is wrong with a text that came of these edits of `first`; empty: nothing.
 *
 * @param {string} first
 * @param {string} last
 * @param {Edit[]} edits
 * @returns {string[]}
 */
export function faults(first, last, edits) {
  const found = edits.flatMap(({ strayed }) => (strayed === null ? [] : [`a caret: ${strayed}`]))
  const there = new Set(last)
  const written = new Set([...first, ...edits.flatMap(({ typed }) => [...typed])])
  const gone = new Set(edits.flatMap(({ seen, start, end }) => [...seen.slice(start, end)]))
  for (const letter of written) {
    if (there.has(letter) === gone.has(letter)) {
      found.push(`“${letter}” is ${there.has(letter) ? 'there, though deleted' : 'lost'}`)
    }
  }
  if ([...last].length !== there.size) found.push('something is doubled')
  for (const letter of there) if (!written.has(letter)) found.push(`nobody wrote “${letter}”`)
  // Among the letters that the author saw, each is where it was put.
  for (const { seen, start, end, typed } of edits) {
    const meant = [...(seen.slice(0, start) + typed + seen.slice(end))]
    const known = new Set(meant)
    const wanted = meant.filter(letter => there.has(letter)).join('')
    const stands = [...last].filter(letter => known.has(letter)).join('')
    if (wanted !== stands) found.push(`“${typed}” was put “${wanted}” and stands “${stands}”`)
  }
  return found
}
