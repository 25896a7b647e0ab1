// Guards against recipes that change the frozen value, and against edits that get lost on the way.

import { expect, test } from 'vitest'
import { produce } from './draft.js'
import { JsonError } from './json.js'
import { freeze } from './value.js'

interface Item {
  id?: string
  title: string
}
interface Value {
  name?: string
  items: Item[]
  tags: string[]
  address: { city?: string }
}

const value = freeze({
  name: 'Acme',
  items: [
    { id: 'a', title: 'A' },
    { id: 'b', title: 'B' },
    { id: 'c', title: 'C' },
  ],
  tags: ['x', 'y'],
  address: { city: 'Lyon' },
}) as unknown as Value

function edited(recipe: (draft: Value) => void): Value | null {
  const before = JSON.stringify(value)
  const text = produce(value, recipe as (draft: object) => void)
  expect(JSON.stringify(value)).toBe(before)
  return text === null ? null : (JSON.parse(text) as Value)
}

test('nothing changed', () => {
  expect(edited(() => undefined)).toBeNull()
  expect(
    edited(draft => {
      draft.name = 'Acme'
      expect(draft.items.map(item => item.title)).toEqual(['A', 'B', 'C'])
    }),
  ).toBeNull()
})

test('fields are set and deleted at any depth', () => {
  const after = edited(draft => {
    draft.address.city = 'Nice'
    delete draft.name
    const second = draft.items[1]
    if (second) second.title = 'B2'
  })
  expect(after).toEqual({
    ...value,
    name: undefined,
    address: { city: 'Nice' },
    items: [value.items[0], { id: 'b', title: 'B2' }, value.items[2]],
  })
})

test('arrays take all their methods, and moved items keep their edits', () => {
  const after = edited(draft => {
    draft.tags.push('z')
    draft.tags.reverse()
    const [first] = draft.items.splice(0, 1)
    if (!first) throw new Error('there is a first')
    draft.items.push(first)
    first.title = 'moved'
    draft.items.splice(1, 0, { title: 'new' })
    expect(draft.items.length).toBe(4)
    expect(Array.isArray(draft.items)).toBe(true)
    expect(draft.items.indexOf(first)).toBe(3)
  })
  expect(after?.tags).toEqual(['z', 'y', 'x'])
  expect(after?.items).toEqual([
    { id: 'b', title: 'B' },
    { title: 'new' },
    { id: 'c', title: 'C' },
    { id: 'a', title: 'moved' },
  ])
})

test('sorting, spreading and searching work', () => {
  const after = edited(draft => {
    draft.items.sort((a, b) => (a.title < b.title ? 1 : -1))
    draft.items = draft.items.filter(item => item.id !== 'b')
    draft.address = { ...draft.address }
    draft.tags.length = 1
  })
  expect(after?.items.map(item => item.id)).toEqual(['c', 'a'])
  expect(after?.address).toEqual({ city: 'Lyon' })
  expect(after?.tags).toEqual(['x'])
})

test('a draft is dead after its change', () => {
  let leaked: Value | undefined
  edited(draft => {
    leaked = draft
  })
  expect(() => leaked?.name).toThrow(expect.objectContaining({ code: 'argument' }))
})

test('a recipe that is not done when it returns is refused', async () => {
  const unhandled: unknown[] = []
  const note = (error: unknown) => unhandled.push(error)
  process.on('unhandledRejection', note)
  type Named = { name: string }
  const recipes: readonly ((draft: object) => unknown)[] = [
    async () => undefined,
    async draft => {
      await null
      ;(draft as Named).name = 'late'
    },
    // biome-ignore lint/suspicious/noThenProperty: promises of other libraries are such objects
    () => ({ then: () => undefined }),
    function* (draft) {
      ;(draft as Named).name = yield
    },
    async function* (draft) {
      ;(draft as Named).name = yield
    },
  ]
  for (const recipe of recipes) {
    const message = expect.stringContaining('must be synchronous')
    const refused = expect.objectContaining({ name: 'IndelibleError', code: 'argument', message })
    expect(() => produce(value, recipe), String(recipe)).toThrow(refused)
  }
  await new Promise(resolve => setTimeout(resolve))
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
})

test('what a recipe returns by the way is left alone', () => {
  for (const result of [5, null, 'then', [], () => undefined]) {
    expect(produce(value, () => result)).toBeNull()
  }
})

test('a recipe that makes a new value instead of editing is told', () => {
  const base = Object.freeze({ a: 1, b: Object.freeze({ c: 2 }) })
  type Base = { a: number; b: { c: number } }
  const none = (recipe: (draft: Base) => unknown) => () =>
    produce(base, recipe as (draft: object) => void)
  for (const recipe of [(draft: Base) => ({ ...draft, a: 2 }), () => base, () => ({})]) {
    const message = expect.stringContaining('what it returns is not taken')
    expect(none(recipe)).toThrow(expect.objectContaining({ code: 'argument', message }))
  }
  for (const recipe of [(draft: Base) => draft, (draft: Base) => draft.b, () => new Map()]) {
    expect(none(recipe)()).toBeNull()
  }
  // Arrow functions return what they assign.
  const assigned = produce(base, draft => ((draft as Base).b = { c: 3 }))
  expect(JSON.parse(String(assigned))).toEqual({ a: 1, b: { c: 3 } })
})

test('a cycle is a mistake', () => {
  expect(() =>
    edited(draft => {
      const looped = draft as unknown as { self?: unknown }
      looped.self = draft
    }),
  ).toThrow(JsonError)
})
