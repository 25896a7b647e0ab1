// Guards against connections that end with their token although the program has a fresh one, and
// against a program that becomes anonymous because it has none: the npm package and a real server,
// with tokens that live seconds.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { IndelibleClient } from 'indelible'
import { WebSocket } from 'ws'
import { Server } from './harness/server.js'
import { until } from './harness/until.js'

/** How long a token lives: long enough for a machine that has much else to do. */
const LIFE = '6s'

/** @type {Server} */
let server

before(async () => {
  server = await Server.fresh()
})

after(async () => {
  await server?.stop()
})

/** @param {import('indelible').TokenSource} token */
function connect(token) {
  return new IndelibleClient({
    url: server.url,
    token,
    WebSocket: /** @type {import('indelible').WebSocketConstructor} */ (
      /** @type {unknown} */ (WebSocket)
    ),
  })
}

test('a connection outlives its tokens while the callback gives fresh ones', async () => {
  /** @type {string[]} */
  const reasons = []
  const client = connect(async reason => {
    reasons.push(reason)
    return server.token('ada', 'editor', LIFE)
  })
  const settings = client.entity('settings')
  await settings.ready()
  await until('all is in step', () => client.status.state === 'synced')
  /** @type {string[]} */
  const states = []
  client.subscribe(status => {
    states.push(status.state)
  })
  await until('four tokens were presented', () => reasons.length >= 5)
  settings.merge({ companyName: 'Outlived' })
  await settings.saved()
  assert.deepEqual(new Set(reasons.slice(1)), new Set(['expiring']))
  assert.equal(reasons[0], 'start')
  assert.ok(!states.includes('offline') && !states.includes('connecting'), states.join())
  client.close()
})

test('a callback that gives nothing is an error until it gives a token', async () => {
  /** @type {string | undefined} */
  let token
  const client = connect(() => /** @type {string} */ (token))
  const settings = client.entity('settings')
  const who = () => client.principal?.id
  const error = await until('the error is told', () => client.status.error)
  assert.equal(error.code, 'token')
  assert.match(error.message, /the token callback gave undefined/)
  assert.equal(who(), undefined)
  assert.equal(settings.value, undefined)
  token = await server.token('ada', 'editor')
  await settings.ready()
  assert.equal(who(), 'ada')
  client.close()
  const guest = connect(() => null)
  await guest.entity('settings').ready()
  assert.equal(guest.principal?.id, 'anonymous')
  guest.close()
})

test('a fresh token of somebody else, or with other roles, makes a new connection', async () => {
  for (const [sub, role, mode] of /** @type {const} */ ([
    ['bob', 'editor', 'replica'],
    ['ada', 'viewer', 'value'],
  ])) {
    const client = connect(async reason =>
      reason === 'start' && client.principal === null
        ? server.token('ada', 'editor', LIFE)
        : server.token(sub, role),
    )
    const settings = client.entity('settings')
    await settings.ready()
    assert.equal(settings.mode, 'replica')
    await until('the new one is there', () => {
      const { principal } = client
      return principal?.id === sub && principal.roles.includes(role) && settings.mode === mode
    })
    await until('all is in step again', () => client.status.state === 'synced')
    assert.equal(client.status.error, null)
    client.close()
  }
})
