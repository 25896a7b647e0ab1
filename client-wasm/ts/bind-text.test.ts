// Guards against letters that land elsewhere than where their author's caret was, and against
// carets and selections that other people's edits move away from their letters.

import { expect, test } from 'vitest'
import { type BindTextOptions, bindText } from './bind-text.js'
import { Box, Dice, type Letter, SharedText } from './testing/typing.js'

function bound(
  text: string,
  options: BindTextOptions = {},
  tag: 'TEXTAREA' | 'INPUT' = 'TEXTAREA',
) {
  const shared = new SharedText(text)
  const box = new Box(tag)
  const end = bindText(box.element, shared.entity, '/text', options)
  return { shared, box, end }
}

const selection = ({ selectionStart, selectionEnd }: Box) => [selectionStart, selectionEnd]

test('a letter among equal ones goes where the caret was', () => {
  const { shared, box } = bound('aaaa')
  const [first, second] = shared.letters
  box.setSelectionRange(1, 1)
  box.type('a')
  expect(shared.letters.indexOf(first as Letter)).toBe(0)
  expect(shared.letters.indexOf(second as Letter)).toBe(2)
  box.setSelectionRange(2, 2)
  box.erase()
  expect(shared.letters.map(({ gone }) => gone)).toEqual([false, true, false, false, false])
  box.setSelectionRange(0, 0)
  box.erase(true)
  expect(first?.gone).toBe(true)
})

test('one change in two places moves caret and selection by what came before them', () => {
  const { shared, box } = bound('one two three')
  box.setSelectionRange(4, 7, 'backward')
  shared.others(13, 0, ' four')
  shared.others(0, 0, 'zero ')
  expect(box.value).toBe('zero one two three four')
  expect(selection(box)).toEqual([9, 12])
  expect(box.selectionDirection).toBe('backward')
  shared.others(9, 0, '(')
  shared.others(13, 0, ')')
  expect([box.value.slice(...selection(box)), box.value]).toEqual([
    'two',
    'zero one (two) three four',
  ])
})

test('what others type at the caret comes after it', () => {
  const { shared, box } = bound('ab')
  box.setSelectionRange(1, 1)
  shared.others(1, 0, 'XY')
  box.type('1')
  box.type('2')
  expect(shared.text).toBe('a12XYb')
})

test('an emoji is never cut in two', () => {
  const { shared, box } = bound('a😀b')
  box.setSelectionRange(1, 3)
  box.type('😁')
  expect([shared.text, box.value]).toEqual(['a😁b', 'a😁b'])
  box.erase()
  box.type('😀😀')
  box.setSelectionRange(3, 3)
  box.erase(true)
  expect(shared.text).toBe('a😀b')
})

test('a composition is left alone, and lands where it was begun', () => {
  const { shared, box } = bound('one three')
  box.setSelectionRange(3, 3)
  box.startComposing()
  box.compose('', 'ｔ')
  shared.others(0, 0, 'zero ')
  shared.others(14, 0, ' four')
  expect(box.value).toBe('oneｔ three')
  box.compose('ｔ', ' 二')
  expect(shared.text).toBe('zero one three four')
  box.endComposing()
  expect([shared.text, box.value]).toEqual(['zero one 二 three four', 'zero one 二 three four'])
  expect(selection(box)).toEqual([10, 10])
})

test('a composition that comes to nothing shows what came meanwhile', () => {
  const { shared, box } = bound('two')
  box.setSelectionRange(0, 0)
  box.startComposing()
  box.compose('', 'x')
  shared.others(3, 0, ' three')
  box.compose('x', '')
  box.endComposing()
  expect([box.value, ...selection(box)]).toEqual(['two three', 0, 0])
})

test('what is refused is taken back and reported', () => {
  const told: (string | null)[] = []
  const { shared, box } = bound('abc', { onError: error => told.push(error?.message ?? null) })
  shared.refuses = text => text.includes('!')
  box.setSelectionRange(1, 2)
  box.type('!')
  expect([box.value, ...selection(box)]).toEqual(['abc', 1, 2])
  box.type('?')
  expect([box.value, told]).toEqual(['a?c', ['refused', null]])
})

test('what is refused can be kept and corrected, wherever it is by then', () => {
  const told: (string | null)[] = []
  const onError = (error: Error | null) => told.push(error?.message ?? null)
  const { shared, box } = bound('ac', { onError, refused: 'keep' })
  shared.refuses = text => text.includes('!')
  box.setSelectionRange(1, 1)
  box.type('!')
  shared.others(0, 0, '0')
  expect([box.value, shared.text, shared.kept]).toEqual(['a!c', '0ac', 1])
  box.type('b')
  expect(told).toEqual(['refused', 'refused'])
  box.setSelectionRange(1, 2)
  box.erase()
  expect([shared.text, box.value, ...selection(box)]).toEqual(['0abc', '0abc', 2, 2])
  expect([told.at(-1), shared.kept]).toEqual([null, 0])
})

test('what was kept and is erased again leaves nothing', () => {
  const told: (string | null)[] = []
  const onError = (error: Error | null) => told.push(error?.message ?? null)
  const { shared, box } = bound('ac', { onError, refused: 'keep' })
  shared.refuses = () => true
  box.setSelectionRange(1, 1)
  box.type('!')
  shared.others(2, 0, '0')
  box.erase()
  expect([box.value, ...selection(box), ...told]).toEqual(['ac0', 1, 1, 'refused', null])
  expect(shared.kept).toBe(0)
})

test('what is kept is no more when the box is let go', () => {
  const { shared, box, end } = bound('ac', { refused: 'keep' })
  shared.refuses = () => true
  box.type('!')
  expect(shared.kept).toBe(1)
  end()
  expect(shared.kept).toBe(0)
})

test('a start over of the entity in a composition keeps the place', () => {
  const { shared, box } = bound('one two')
  box.setSelectionRange(3, 3)
  box.startComposing()
  box.compose('', '二')
  shared.forgets = true
  shared.restart('zero one two')
  box.endComposing()
  expect([shared.text, box.value]).toEqual(['zero one二 two', 'zero one二 two'])
})

test('line breaks of two characters are shown as one', () => {
  const { shared, box } = bound('one\r\ntwo\r\nthree')
  expect(box.value).toBe('one\ntwo\nthree')
  box.setSelectionRange(7, 7)
  box.type('!')
  expect(shared.text).toBe('one\r\ntwo!\r\nthree')
  box.setSelectionRange(3, 4)
  box.type(' ')
  expect(shared.text).toBe('one two!\r\nthree')
  shared.others(9, 0, '3: ')
  expect([box.value, ...selection(box)]).toEqual(['one two!\n3: three', 4, 4])
})

test('an input shows no line breaks and keeps them', () => {
  const { shared, box } = bound('one\ntwo', {}, 'INPUT')
  expect(box.value).toBe('onetwo')
  box.setSelectionRange(6, 6)
  box.type('!')
  expect(shared.text).toBe('one\ntwo!')
})

test('what may not be written is read-only, for as long as that is so', () => {
  const { shared, box, end } = bound('a')
  expect(box.readOnly).toBe(false)
  shared.write = false
  shared.tellStatus()
  expect(box.readOnly).toBe(true)
  shared.write = true
  shared.tellStatus()
  expect(box.readOnly).toBe(false)
  shared.present = false
  shared.tellStatus()
  expect([box.readOnly, box.value]).toEqual([true, 'a'])
  shared.present = true
  shared.others(1, 0, 'b')
  expect([box.readOnly, box.value]).toEqual([false, 'ab'])
  end()
  shared.others(2, 0, 'c')
  expect(box.value).toBe('ab')
})

test('an element that is not focused does not take the focus', () => {
  const { shared, box } = bound('abc')
  box.focused = false
  box.setSelectionRange = () => expect.unreachable()
  shared.value = undefined
  shared.tellStatus()
  expect(box.value).toBe('abc')
})

test('lines that come above the caret do not move what is read', () => {
  const { shared, box } = bound('one\ntwo\nthree')
  box.setSelectionRange(13, 13)
  box.scrollTop = 40
  shared.others(0, 0, 'zero\n')
  expect(box.scrollTop).toBe(60)
  shared.others(18, 0, '\nfour')
  expect(box.scrollTop).toBe(60)
})

test('what was typed is taken back, and made again, around what others write', () => {
  const { shared, box } = bound('one three')
  box.setSelectionRange(4, 4)
  for (const letter of 'two ') box.type(letter)
  box.setSelectionRange(0, 3)
  box.type('1')
  shared.others(0, 0, 'zero ')
  shared.others(13, 0, '(')
  expect(box.value).toBe('zero 1 two th(ree')
  box.retrace('historyUndo')
  expect([box.value, ...selection(box)]).toEqual(['zero one two th(ree', 8, 8])
  shared.others(10, 0, '!')
  box.retrace('historyUndo')
  expect(shared.text).toBe('zero one !th(ree')
  box.retrace('historyUndo')
  box.retrace('historyRedo')
  expect([shared.text, box.value]).toEqual(['zero one t!wo th(ree', 'zero one t!wo th(ree'])
  box.retrace('historyRedo')
  box.retrace('historyRedo')
  expect([shared.text, box.value]).toEqual(['zero 1 t!wo th(ree', 'zero 1 t!wo th(ree'])
})

test('keys ask for it too, and for nothing else', () => {
  const { shared, box } = bound('a')
  box.setSelectionRange(1, 1)
  box.type('b')
  const press = (key: string, keys: object) => {
    const none = { ctrlKey: false, metaKey: false, shiftKey: false, altKey: false }
    const event = Object.assign(new Event('keydown', { cancelable: true }), none, { key }, keys)
    return box.dispatchEvent(event) ? 'left' : shared.text
  }
  expect(press('z', {})).toBe('left')
  expect(press('z', { ctrlKey: true, altKey: true })).toBe('left')
  expect(press('z', { ctrlKey: true })).toBe('a')
  expect(press('Z', { ctrlKey: true, shiftKey: true })).toBe('ab')
  expect(press('z', { metaKey: true })).toBe('a')
  expect(press('y', { ctrlKey: true })).toBe('ab')
  expect(press('y', { metaKey: true })).toBe('left')
})

test('what is erased letter by letter comes back as one', () => {
  const { shared, box } = bound('a😀bcd')
  box.setSelectionRange(4, 4)
  for (let count = 0; count < 3; count += 1) box.erase()
  box.erase(true)
  expect(shared.text).toBe('d')
  box.retrace('historyUndo')
  expect(shared.text).toBe('a😀bcd')
  box.retrace('historyRedo')
  expect([shared.text, box.value]).toEqual(['d', 'd'])
  shared.refuses = () => true
  box.retrace('historyUndo')
  expect([shared.text, box.value]).toEqual(['d', 'd'])
})

/** Where a caret has to be: after this letter, or at the beginning. */
type Anchor = Letter | null

const ALPHABET = ['a', 'a', 'b', '😀', '😁', '\n']
const { INDELIBLE_LONG } = process.env
const RUNS = INDELIBLE_LONG === undefined ? 200 : 1_000

/** What a box shows up to a place between letters. */
function shownUpTo(shared: SharedText, anchor: Anchor): number {
  const alive = shared.alive
  const text = alive.slice(0, anchor === null ? 0 : alive.indexOf(anchor) + 1)
  return text.map(letter => letter.text.replace('\r\n', '\n')).join('').length
}

test('every letter lands where its author’s caret was', { timeout: 120_000 }, () => {
  for (let seed = 1; seed <= RUNS; seed += 1) play(seed)
})

function play(seed: number): void {
  const dice = new Dice(seed)
  const { shared, box } = bound('aa\r\na😀😀b\naa')
  let anchor: Anchor = shared.letters.at(-1) as Letter
  let composed: string | null = null
  /** The letter that a composition was begun after, even if it goes meanwhile. */
  let begun: Anchor = null
  const about = () => `seed ${seed}: ${JSON.stringify([box.value, shared.text])}`
  // A caret whose letter goes stays behind the one before that.
  const reanchor = (known: ReadonlySet<Letter>) => {
    const stays = (letter: Letter) => !letter.gone && known.has(letter)
    const upTo = shared.letters.slice(0, shared.letters.indexOf(anchor as Letter) + 1)
    anchor = upTo.filter(stays).at(-1) ?? null
  }
  const others = () => {
    const alive = shared.alive
    const index = dice.below(alive.length + 1)
    const remove = dice.below(3) === 0 ? Math.min(dice.below(3), alive.length - index) : 0
    const insert = remove > 0 && dice.below(2) === 0 ? '' : dice.pick([...ALPHABET, '\r\n'])
    shared.others(index, remove, insert)
  }
  /** What the author did goes in after the letter at the caret, and nowhere else. */
  const owns = (typed: string, before: Anchor, edit: () => void) => {
    const known = new Set(shared.letters)
    edit()
    const fresh = shared.letters.filter(letter => !known.has(letter))
    expect(fresh.map(({ text }) => text).join(''), about()).toBe(typed)
    const place = shared.letters.indexOf(before as Letter) + 1
    expect(shared.letters.slice(place, place + fresh.length), about()).toEqual(fresh)
    anchor = fresh.at(-1) ?? anchor
  }
  for (let step = 0; step < 40; step += 1) {
    const choice = dice.below(10)
    if (choice < 4) {
      const known = new Set(shared.letters)
      others()
      reanchor(known)
    } else if (composed !== null) {
      if (choice < 8) {
        const next: string = dice.pick(['', 'a', 'aa', '😀', '二'])
        box.compose(composed, next)
        composed = next
        continue
      }
      owns(composed, begun, () => box.endComposing())
      composed = null
    } else if (choice === 4) {
      anchor = dice.pick([null, ...shared.alive])
      const place = shownUpTo(shared, anchor)
      box.setSelectionRange(place, place)
    } else if (choice < 8) {
      const typed = dice.pick(ALPHABET)
      owns(typed, anchor, () => box.type(typed))
    } else if (choice === 8 && anchor !== null) {
      const gone: Letter = anchor
      box.erase()
      expect(gone.gone, about()).toBe(true)
      reanchor(new Set(shared.letters))
    } else if (choice === 9) {
      composed = ''
      begun = anchor
      box.startComposing()
    }
    if (composed !== null) continue
    expect(box.value, about()).toBe(shared.text.replaceAll('\r\n', '\n'))
    const place = shownUpTo(shared, anchor)
    expect(selection(box), about()).toEqual([place, place])
  }
}

test('taking everything back leaves what others wrote, and nothing else', () => {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const dice = new Dice(seed)
    const { shared, box } = bound('aa😀b\naa')
    const own = new Set<Letter>()
    for (let step = 0; step < 30; step += 1) {
      if (dice.below(2) === 0) {
        const known = new Set(shared.letters)
        if (dice.below(3) === 0) {
          const place = shownUpTo(shared, dice.pick([null, ...shared.alive]))
          box.setSelectionRange(place, place)
        }
        box.type(dice.pick(ALPHABET))
        for (const letter of shared.letters) if (!known.has(letter)) own.add(letter)
      } else {
        const index = dice.below(shared.alive.length + 1)
        const remove = dice.below(3) === 0 ? Math.min(2, shared.alive.length - index) : 0
        shared.others(index, remove, remove > 0 ? '' : dice.pick(ALPHABET))
      }
    }
    const left = shared.alive.filter(letter => !own.has(letter))
    for (let step = 0; step < 30; step += 1) box.retrace('historyUndo')
    expect(shared.alive, `seed ${seed}`).toEqual(left)
    expect(box.value).toBe(shared.text)
  }
})
