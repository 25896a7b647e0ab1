// Guards generality: a schema folder that has nothing to do with the demo is served, and rooms,
// keyed exhibits, texts and role-protected insurance values work through the npm package in Node.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { IndelibleClient, PolicyError } from 'indelible'
import WebSocket from 'ws'
import { Server } from './harness/server.js'
import { until } from './harness/until.js'

/**
 * @typedef {{ exhibit?: string, title: string, acquired: number, label?: string,
 *   insurance?: { value?: number, currency?: string, policy?: string } }} Exhibit
 * @typedef {{ number: string, title: string, wallText?: string, exhibits?: Exhibit[],
 *   created: string, createdBy: string }} Room
 */

/** @type {Server} */
let server
/** @type {IndelibleClient[]} */
const clients = []

/** @param {string | null} role */
async function client(role) {
  const made = new IndelibleClient({
    url: server.url,
    token: role && (await server.token(`the-${role}`, role)),
    WebSocket: /** @type {import('indelible').WebSocketConstructor} */ (
      /** @type {unknown} */ (WebSocket)
    ),
  })
  clients.push(made)
  return made
}

/** @type {IndelibleClient} */
let curator
/** @type {IndelibleClient} */
let registrar
/** @type {IndelibleClient} */
let guide

before(async () => {
  server = await Server.fresh({ schema: fileURLToPath(new URL('../data/museum', import.meta.url)) })
  curator = await client('curator')
  registrar = await client('registrar')
  guide = await client('guide')
})

after(async () => {
  for (const one of clients) one.close()
  await server?.stop()
})

/**
 * What `edit` throws.
 *
 * @param {() => unknown} edit
 */
function refused(edit) {
  try {
    edit()
  } catch (error) {
    assert.ok(error instanceof PolicyError, String(error))
    return error.violations.map(({ pointer, rule }) => ({ pointer, rule }))
  }
  throw new Error('the edit was not refused')
}

test('the content of the folder is there, for those who may read it', async () => {
  const anonymous = await client(null)
  const house = await anonymous.entity('house').ready()
  assert.deepEqual(house.name, { en: 'Museum of Instruments', fr: 'Musée des instruments' })
  await assert.rejects(anonymous.entity('room/winds').ready())
  await assert.rejects(anonymous.collection('room').ready())
  const rooms = await guide.collection('room').ready()
  assert.deepEqual(
    rooms.map(({ id }) => id),
    ['strings', 'winds'],
  )
})

test('a room is created, appears to those who watch, and is edited', async () => {
  const watched = guide.collection('room')
  await watched.ready()
  const room = /** @type {import('indelible').Entity<Room>} */ (
    await curator.create('room', {
      number: 'C07',
      title: 'Percussion',
      wallText: 'Hit it.',
      exhibits: [
        { title: 'Davul', acquired: 1932 },
        { title: 'Gong', acquired: 1961 },
      ],
    })
  )
  const id = room.name.slice('room/'.length)
  /** @returns {Room | undefined} */
  const seen = () => /** @type {Room | undefined} */ (/** @type {unknown} */ (watched.get(id)))
  const shown = await until('the new room appears to the guide', seen)
  assert.equal(shown.title, 'Percussion')
  assert.equal(shown.createdBy, 'the-curator')
  const [davul, gong] = shown.exhibits ?? []
  assert.ok(davul?.exhibit && gong?.exhibit && davul.exhibit !== gong.exhibit)

  // Two people, one text, and a move, at the same time.
  const other = /** @type {import('indelible').Entity<Room>} */ (registrar.entity(room.name))
  await other.ready()
  room.change(draft => {
    draft.wallText = `Please do: ${draft.wallText}`
    draft.exhibits?.reverse()
  })
  other.change(draft => {
    draft.wallText += ' Gently.'
    const item = draft.exhibits?.find(({ exhibit }) => exhibit === davul.exhibit)
    if (item) item.label = 'Two sticks, two voices.'
  })
  await Promise.all([room.saved(), other.saved()])
  const edited = await until('the guide sees both edits', () => {
    const now = seen()
    return now?.wallText === 'Please do: Hit it. Gently.' ? now : undefined
  })
  assert.deepEqual(
    edited.exhibits?.map(({ title, label }) => [title, label]),
    [
      ['Gong', undefined],
      ['Davul', 'Two sticks, two voices.'],
    ],
  )
})

test('insurance values are for the registrar, and numbers are for ever', async () => {
  const name = 'room/winds'
  const ours = /** @type {import('indelible').Entity<Room>} */ (curator.entity(name))
  const theirs = /** @type {import('indelible').Entity<Room>} */ (registrar.entity(name))
  await Promise.all([ours.ready(), theirs.ready()])
  /** @param {{ exhibits?: Exhibit[] }} draft */
  const insure = draft => {
    const serpent = draft.exhibits?.find(({ exhibit }) => exhibit === 'serpent')
    if (serpent?.insurance) serpent.insurance.value = 25_000
  }
  assert.deepEqual(
    refused(() => ours.change(insure)),
    [{ pointer: '/exhibits/serpent/insurance/value', rule: 'write' }],
  )
  assert.deepEqual(
    refused(() => theirs.merge({ number: 'Z99' })),
    [{ pointer: '/number', rule: 'create' }],
  )
  theirs.change(insure)
  await theirs.saved()
  await until('the curator sees the new value', () =>
    ours.value?.exhibits?.some(({ insurance }) => insurance?.value === 25_000),
  )
})

test('what only the server can judge is refused by the server, and undone here', async () => {
  const room = registrar.entity('room/strings')
  const before = await room.ready()
  // A lower bound alone: the range is complete or not there at all.
  room.change(draft => {
    Object.assign(draft, { climate: { celsius: { from: 18 } } })
  })
  await assert.rejects(room.saved(), error => {
    assert.ok(error instanceof PolicyError)
    assert.match(error.violations[0]?.pointer ?? '', /^\/climate\/celsius/)
    return true
  })
  await until('the room is as it was', () => !room.value?.climate)
  assert.deepEqual({ ...room.value }, { ...before })
})

test('an id is given once', async () => {
  await assert.rejects(
    curator.create('room', { number: 'D01', title: 'Again' }, { id: 'winds' }),
    error => error instanceof PolicyError && error.code === 'exists',
  )
})
