// Guards the way of what is typed, from one client's text box to another's, with the real core on a
// real socket.

import { expect, test } from 'vitest'
import { type Change, PolicyError } from './index.js'
import { connect, server, until, useServer } from './testing/fixture.js'
import { Box } from './testing/typing.js'
import { applyChanges, freeze } from './value.js'

interface Member {
  name: string
  bio: string
}

useServer()

async function jane() {
  const client = connect()
  const entity = client.entity<Member>('team/jane')
  await entity.ready()
  const told: { changes: readonly Change[]; local: boolean; patches: readonly unknown[] }[] = []
  entity.subscribe((_value, patches, news) => told.push({ ...news, patches }))
  return { client, entity, told }
}

const splice = (index: number, remove: number, insert: string) => ({ index, remove, insert })
const told = (index: number, remove: number, insert: string) => ({
  op: 'splice',
  path: '/bio',
  ...splice(index, remove, insert),
})

test('a listener gets splices, and a plain patch beside them', async () => {
  const ours = await jane()
  const theirs = await jane()
  ours.entity.splice('/bio', splice(2, 0, 'l'))
  expect(ours.entity.value?.bio).toBe('Helllo')
  expect(ours.told).toEqual([
    {
      changes: [told(2, 0, 'l')],
      local: true,
      patches: [{ op: 'replace', path: '/bio', value: 'Helllo' }],
    },
  ])
  await until(() => theirs.told.length === 1)
  // The stamp of who wrote last changes with it.
  const stamp = { op: 'replace', path: '/updatedBy', value: 'alice' }
  expect(theirs.told[0]).toEqual({
    changes: [told(2, 0, 'l'), stamp],
    local: false,
    patches: [{ op: 'replace', path: '/bio', value: 'Helllo' }, stamp],
  })
  await ours.entity.saved()
  expect(ours.told[1]).toEqual({ changes: [stamp], local: false, patches: [stamp] })
})

test('a place of an earlier value is carried along', async () => {
  const { entity } = await jane()
  const base = entity.value as Member
  entity.splice('/bio', splice(0, 0, 'Oh. '))
  entity.splice('/bio', splice(5, 0, '!'), { base })
  expect(entity.value?.bio).toBe('Oh. Hello!')
  expect(() => entity.splice('/bio', splice(11, 0, '?'))).toThrow(
    'index is 11: that is beyond the end of the text at /bio, which has 10 UTF-16 code units',
  )
  expect(() => entity.splice('/bio', splice(0, 0, '?'), { base: { ...base } })).toThrow('base')
  expect(() => entity.splice('/number', splice(0, 0, '?'))).toThrow(PolicyError)
  expect(() => entity.splice('/bio', splice(10, 0, '\ud83d'))).toThrow('surrogate')
  expect(entity.value?.bio).toBe('Oh. Hello!')
})

test('two text boxes show one text, offline too', async () => {
  const ours = await jane()
  const theirs = await jane()
  const [left, right] = [new Box(), new Box()]
  ours.client.entity('team/jane').bindText('/bio', left.element)
  theirs.client.entity('team/jane').bindText('/bio', right.element)
  expect([left.value, right.value]).toEqual(['Hello', 'Hello'])
  right.setSelectionRange(5, 5)
  left.setSelectionRange(0, 0)
  left.type('Oh')
  left.type('. ')
  await until(() => right.value === 'Oh. Hello')
  expect(right.selectionEnd).toBe(9)
  server.cut()
  right.type('😀')
  left.type('_')
  await until(() => left.value === 'Oh. _Hello😀' && right.value === left.value)
  expect([left.selectionEnd, right.selectionEnd]).toEqual([5, 12])
})

test('a box is read-only before there is something to edit, and when there is no replica', async () => {
  server.byValue = true
  const client = connect()
  const entity = client.entity<Member>('team/jane')
  const box = new Box()
  entity.bindText('/bio', box.element)
  expect([box.readOnly, box.value]).toEqual([true, ''])
  await until(() => server.received.includes('open'))
  server.value('team/jane', 'v1', { name: 'Jane' })
  await entity.ready()
  expect(box.readOnly).toBe(true)
  server.patch('team/jane', 'v2', [{ op: 'add', path: '/bio', value: 'Hello' }])
  await until(() => box.value === 'Hello')
  box.setSelectionRange(5, 5)
  server.patch('team/jane', 'v3', [told(0, 1, 'Y'), told(1, 0, 'h')])
  await until(() => box.value === 'Yhello')
  expect(box.selectionEnd).toBe(6)
  server.patch('team/jane', 'v4', [told(7, 1, '')])
  await until(() => server.received.filter(name => name === 'open').length === 2)
})

test('splices and other changes come to one plain patch', () => {
  const before = freeze({ a: 'one', b: ['x'], c: 'two' })
  const { value, patches } = applyChanges(before, [
    { op: 'splice', path: '/a', index: 3, remove: 0, insert: '!' },
    { op: 'splice', path: '/a', index: 0, remove: 1, insert: 'O' },
    { op: 'remove', path: '/b/0' },
    { op: 'splice', path: '/c', index: 0, remove: 3, insert: '' },
  ])
  expect(value).toEqual({ a: 'One!', b: [], c: '' })
  expect(patches).toEqual([
    { op: 'replace', path: '/a', value: 'One!' },
    { op: 'remove', path: '/b/0' },
    { op: 'replace', path: '/c', value: '' },
  ])
  for (const [path, index, remove] of [
    ['/a', 4, 0],
    ['/a', 0, 4],
    ['/a', -1, 0],
    ['/b', 0, 0],
    ['/d', 0, 0],
  ] as const) {
    const change = { op: 'splice', path, index, remove, insert: '' } as const
    expect(() => applyChanges(before, [change])).toThrow('does not fit')
  }
})
