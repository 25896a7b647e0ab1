// Guards people who type while a program writes the whole object over HTTP: with `?base=` nothing
// of theirs is lost, and protected fields stay whatever the body says.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { field, launch, openAdmin, saved, valueOn } from './harness/browser.js'
import { Server } from './harness/server.js'
import { until } from './harness/until.js'

/** @typedef {import('playwright-core').Page} Page */

/** @type {import('playwright-core').Browser} */
let browser
/** @type {Server} */
let server
/** @type {Page} */
let alice
/** @type {Page} */
let bob
/** @type {string} */
let token

before(async () => {
  server = await Server.fresh()
  browser = await launch()
  alice = await openAdmin(browser, server, { name: 'Alice' })
  bob = await openAdmin(browser, server, { name: 'Bob' })
  token = await server.token('importer', 'editor')
})

after(async () => {
  await browser?.close()
  await server?.stop()
})

const FORGED_AT = '1999-01-01T00:00:00.000Z'

async function settled() {
  await saved(alice, 'settings')
  await saved(bob, 'settings')
  return until('admins and server hold the same settings', async () => {
    const values = await Promise.all([
      valueOn(alice, 'settings'),
      valueOn(bob, 'settings'),
      server.call('GET', '/api/settings').then(({ body }) => body),
    ])
    const [one] = values
    return values.every(value => isDeepStrictEqual(value, one)) ? one : undefined
  })
}

test('a PUT of the whole object with its base loses nothing that is being typed', async () => {
  const read = await server.call('GET', '/api/settings', { token })
  const base = read.body
  assert.ok(read.version, 'the answer carries a version')
  const head = 'Freshly planed: '
  const typed = 'Typed while it was written'

  await field(alice, '/description').focus()
  await alice.keyboard.press('Control+Home')
  await field(bob, '/slogan').fill('')
  await field(bob, '/slogan').focus()
  const typing = Promise.all([
    alice.keyboard.type(head, { delay: 30 }),
    bob.keyboard.type(typed, { delay: 20 }),
  ])
  // The body is stale as soon as a person has typed; the PUT waits for that.
  await until('the server has seen typing', async () => {
    const { body } = await server.call('GET', '/api/settings')
    return body.description !== base.description && body.slogan !== base.slogan
  })
  const put = await server.call('PUT', `/api/settings?base=${encodeURIComponent(read.version)}`, {
    token,
    body: {
      ...base,
      description: `${base.description} Written by a program.`,
      contact: { ...base.contact, phone: '+33 2 98 77 77 77' },
      createdAt: FORGED_AT,
    },
  })
  await typing

  assert.equal(put.status, 200, JSON.stringify(put.body))
  assert.deepEqual([...put.body.changed].sort(), ['/contact/phone', '/description'])
  assert.deepEqual(put.body.preserved, ['/createdAt'])
  const settings = await settled()
  assert.equal(settings.slogan, typed)
  assert.equal(settings.description, `${head}${base.description} Written by a program.`)
  assert.equal(settings.contact.phone, '+33 2 98 77 77 77')
  assert.equal(settings.createdAt, base.createdAt)
})

test('without a base, what differs from the present is written and protected fields stay', async () => {
  const present = await settled()
  const put = await server.call('PUT', '/api/settings', {
    token,
    body: { ...present, slogan: 'As the program says', createdAt: FORGED_AT },
  })
  assert.equal(put.status, 200, JSON.stringify(put.body))
  assert.deepEqual(put.body.changed, ['/slogan'])
  assert.deepEqual(put.body.preserved, ['/createdAt'])
  const settings = await settled()
  assert.equal(settings.slogan, 'As the program says')
  assert.equal(settings.createdAt, present.createdAt)
  assert.equal(await field(bob, '/slogan').inputValue(), 'As the program says')
})

test('a PUT that changes nothing records nothing', async () => {
  const read = await server.call('GET', '/api/settings', { token })
  const put = await server.call('PUT', '/api/settings', { token, body: read.body })
  assert.equal(put.status, 200)
  assert.deepEqual(put.body.changed, [])
  const again = await server.call('GET', '/api/settings', { token })
  assert.deepEqual(again.body, read.body)
})

test('strict handling refuses instead of keeping, and an unknown base is refused', async () => {
  const { body } = await server.call('GET', '/api/settings', { token })
  const strict = await server.call('PUT', '/api/settings', {
    token,
    body: { ...body, slogan: 'Not this', createdAt: FORGED_AT },
    headers: { prefer: 'handling=strict' },
  })
  assert.equal(strict.status, 422)
  assert.equal(strict.body.violations[0].pointer, '/createdAt')
  const unknown = await server.call('PUT', '/api/settings?base=nonsense', { token, body })
  assert.equal(unknown.status, 412)
  assert.equal((await server.call('GET', '/api/settings')).body.slogan, body.slogan)
})
