// Guards against work that is lost without a word: by closing a tab, by signing out, and when
// another person deletes what one is editing; and against pages that wait for ever.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  field,
  fits,
  launch,
  openAdmin,
  picture,
  saved,
  shows,
  signIn,
  valueOn,
} from './harness/browser.js'
import { Server } from './harness/server.js'
import { until } from './harness/until.js'

/** @type {import('playwright-core').Browser} */
let browser
/** @type {Server} */
let server
let members = 0

before(async () => {
  server = await Server.fresh()
  browser = await launch()
})

after(async () => {
  await browser?.close()
  await server?.stop()
})

/** @param {import('playwright-core').Page} page */
function offline(page) {
  return until('the page knows that it is offline', () =>
    page.locator('[data-connection="offline"], [data-connection="connecting"]').count(),
  )
}

/**
 * A member of the team, and a person who edits it.
 *
 * @param {string} id
 * @param {string} role
 */
async function member(id, role) {
  const token = await server.token('boss', 'admin')
  members += 1
  const employeeId = `E-${1000 + members}`
  const body = { name: `Name of ${id}`, employeeId, joinDate: '2026-01-02' }
  const made = await server.call('POST', `/api/team?id=${id}`, { token, body })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const page = await openAdmin(browser, server, { name: 'Alice', role, at: `#/team/${id}` })
  await field(page, '/name').waitFor()
  const drop = () =>
    server.call('DELETE', `/api/team/${id}`, { token, headers: { 'if-match': '*' } })
  const undelete = () => server.call('POST', `/api/team/${id}/undelete`, { token })
  return { page, token, drop, undelete }
}

test('a tab with unsaved edits asks before it goes', async () => {
  const alice = await openAdmin(browser, server, { name: 'Alice' })
  /** @type {string[]} */
  const asked = []
  alice.on('dialog', async dialog => {
    asked.push(dialog.type())
    await (asked.length === 1 ? dialog.dismiss() : dialog.accept())
  })
  await server.kill()
  await offline(alice)
  await field(alice, '/slogan').fill('Not there yet')
  await shows(alice, '1 unsaved: kept in this tab only')
  await alice.close({ runBeforeUnload: true })
  await until('the browser asks', async () => asked.length === 1)
  assert.equal(await field(alice, '/slogan').inputValue(), 'Not there yet')

  await server.start()
  await saved(alice, 'settings')
  // Nothing is pending: the page does not ask.
  await alice.reload()
  await alice.locator('article.entity').waitFor()
  assert.equal(await field(alice, '/slogan').inputValue(), 'Not there yet')
  assert.deepEqual(asked, ['beforeunload'])
})

test('signing out asks about unsaved edits, in two languages', async () => {
  const alice = await openAdmin(browser, server, { name: 'Alice' })
  await server.kill()
  await offline(alice)
  await field(alice, '/slogan').fill('Unsent')
  await alice.getByRole('button', { name: 'Sign out' }).click()
  const question = alice.getByRole('alertdialog')
  assert.match(await question.innerText(), /One edit has not reached the server/)
  await question.getByRole('button', { name: 'Stay' }).click()
  assert.equal(await question.count(), 0)
  assert.equal(await field(alice, '/slogan').inputValue(), 'Unsent')

  await alice.getByTitle('Français').click()
  await shows(alice, 'gardé dans cet onglet seulement')
  await alice.getByRole('button', { name: 'Se déconnecter' }).click()
  assert.match(await question.innerText(), /Une modification n’est pas parvenue au serveur/)
  await question.getByRole('button', { name: 'Se déconnecter et les perdre' }).click()
  await alice.locator('[data-connection]').waitFor({ state: 'detached' })
  await server.start()

  // With nothing pending it does so at once.
  const bob = await openAdmin(browser, server, { name: 'Bob' })
  await bob.getByRole('button', { name: 'Sign out' }).click()
  await bob.locator('#name').waitFor()
})

test('edits of a member whom somebody deletes are kept on show and can be put back', async () => {
  const { page, drop } = await member('ann', 'admin')
  await page.context().setOffline(true)
  await server.kill()
  await offline(page)
  await field(page, '/role').fill('Captain')
  await server.start()
  assert.equal((await drop()).status, 204)
  await page.context().setOffline(false)

  await page.locator('[data-absent="deleted"]').waitFor()
  const lost = page.locator('[data-lost="/role"]')
  assert.match(await lost.innerText(), /someone else removed what it belonged to\s+Captain/)
  assert.equal(await lost.getByRole('button', { name: 'Put it back' }).count(), 0)
  assert.equal(await page.locator('.kind-detail .loading').count(), 0)

  await page.getByRole('button', { name: 'Bring it back' }).click()
  await field(page, '/role').waitFor()
  assert.equal(await field(page, '/role').inputValue(), '')
  await lost.getByRole('button', { name: 'Put it back' }).click()
  assert.equal(await field(page, '/role').inputValue(), 'Captain')
  await saved(page, 'team/ann')
  assert.equal((await server.call('GET', '/api/team/ann')).body.role, 'Captain')
})

test('who may not delete learns of it all the same, and keeps what was edited', async () => {
  const { page, drop, undelete } = await member('eve', 'editor')
  await page.context().setOffline(true)
  await server.kill()
  await offline(page)
  await field(page, '/role').fill('Mate')
  await server.start()
  assert.equal((await drop()).status, 204)
  await page.context().setOffline(false)

  await page.locator('[data-absent="deleted"]').waitFor()
  const lost = page.locator('[data-lost="/role"]')
  assert.match(await lost.innerText(), /someone else removed what it belonged to\s+Mate/)
  assert.equal(await page.getByRole('button', { name: 'Bring it back' }).count(), 0)
  const [refused, status] = await page.evaluate(async () => {
    const entity = window.indelible?.client.entity('team/eve')
    const why = await entity?.saved().catch(error => error.code)
    return [why, entity?.status]
  })
  assert.equal(refused, 'deleted')
  assert.deepEqual([status?.state, status?.pending], ['refused', 0])
  assert.deepEqual(
    status?.dropped.map(({ pointer, reason, attempted }) => [pointer, reason, attempted]),
    [['/role', 'gone', 'Mate']],
  )

  assert.equal((await undelete()).status, 200)
  await field(page, '/role').waitFor()
  await lost.getByRole('button', { name: 'Put it back' }).click()
  await saved(page, 'team/eve')
  assert.equal((await server.call('GET', '/api/team/eve')).body.role, 'Mate')
})

test('a form comes back by itself, and offers nothing to those who may not', async () => {
  const { page, drop, undelete } = await member('bea', 'editor')
  assert.equal((await drop()).status, 204)
  await page.locator('[data-absent="deleted"]').waitFor()
  await shows(page, 'If it is brought back, it appears here again by itself')
  assert.equal(await page.getByRole('button', { name: 'Bring it back' }).count(), 0)
  assert.equal((await undelete()).status, 200)
  await field(page, '/name').waitFor()
  assert.equal((await valueOn(page, 'team/bea')).name, 'Name of bea')

  // Nor does a page wait for what is not there yet.
  await page.evaluate(() => {
    location.hash = '#/team/cleo'
  })
  await page.locator('[data-absent="not-found"]').waitFor()
  await member('cleo', 'editor')
  await field(page, '/name').waitFor()
})

test('an address that can be of nothing says so', async () => {
  for (const at of ['#/team/..', '#/team/-', '#/team/a%20b']) {
    const page = await signIn(browser, server, { name: 'Ada', at })
    const notice = page.locator('article [data-absent="name"]')
    await notice.waitFor()
    await shows(page, 'It does not exist (any more), or you may not read it.')
    // The list is beside it, or behind a link where there is no room for both.
    await page.locator('.entities li a').first().click()
    await field(page, '/name').waitFor()
    await page.goBack()
    await notice.waitFor()
    await page.setViewportSize({ width: 380, height: 700 })
    assert.equal(await page.locator('.entities').isVisible(), false)
    await page.locator('.back').click()
    await page.locator('.entities li a').first().click()
    await field(page, '/name').waitFor()
    await page.context().close()
  }
})

test('letters that are not accepted and forms that are not sent are asked for too', async () => {
  const alice = await openAdmin(browser, server, { name: 'Alice', role: 'admin' })
  /** @type {string[]} */
  const asked = []
  alice.on('dialog', async dialog => {
    asked.push(dialog.type())
    await dialog.dismiss()
  })
  await field(alice, '/contact/email').fill('not an address')
  await alice.locator('[data-pointer="/contact/email"] .reason').waitFor()
  await alice.close({ runBeforeUnload: true })
  await until('the browser asks', async () => asked.length === 1)
  await field(alice, '/contact/email').press('Escape')
  await alice.reload()

  await alice.goto(`${server.url}/demo/admin#/team/new`)
  await field(alice, '/name').fill('Not sent yet')
  await alice.close({ runBeforeUnload: true })
  await until('the browser asks', async () => asked.length === 2)
  assert.equal(await field(alice, '/name').inputValue(), 'Not sent yet')
})

test('signing out asks about them too, in two languages, and on a narrow screen', async () => {
  const alice = await openAdmin(browser, server, { name: 'Alice', role: 'admin' })
  await alice.setViewportSize({ width: 380, height: 700 })
  const question = alice.getByRole('alertdialog')
  const stay = () => question.getByRole('button').first().click()
  await field(alice, '/contact/email').fill('not an address')
  await alice.locator('[data-pointer="/contact/email"] .reason').waitFor()
  await alice.getByRole('button', { name: 'Sign out' }).click()
  assert.match(await question.innerText(), /values that were not accepted or not sent/)
  await picture(alice, 'sign-out-en')
  assert.ok(await fits(alice, 'dialog.question'), 'the question is as wide as the screen at most')
  await stay()
  assert.equal(await field(alice, '/contact/email').inputValue(), 'not an address')
  await field(alice, '/contact/email').press('Escape')

  await alice.goto(`${server.url}/demo/admin#/team/new`)
  await field(alice, '/name').fill('Not sent yet')
  await alice.getByTitle('Français').click()
  await alice.getByRole('button', { name: 'Se déconnecter' }).click()
  assert.match(await question.innerText(), /valeurs qui n’ont pas été acceptées ou envoyées/)
  await picture(alice, 'sign-out-fr')
  assert.ok(await fits(alice, 'dialog.question'), 'in French, too')
  await stay()
  assert.equal(await field(alice, '/name').inputValue(), 'Not sent yet')
  await alice.getByRole('button', { name: 'Se déconnecter' }).click()
  await question.getByRole('button', { name: 'Se déconnecter et les perdre' }).click()
  await alice.locator('#name').waitFor()
})

test('the question before signing out says so when everything is saved meanwhile', async () => {
  const alice = await openAdmin(browser, server, { name: 'Alice' })
  await server.kill()
  await offline(alice)
  await field(alice, '/slogan').fill('On its way')
  await alice.getByRole('button', { name: 'Sign out' }).click()
  const question = alice.locator('dialog.question')
  assert.match(await question.innerText(), /not saved yet\s+One edit has not reached the server/)
  await server.start()
  await until('it is saved', async () =>
    (await question.innerText()).includes('Everything is saved now'),
  )
  assert.doesNotMatch(await question.innerText(), /not saved/)
  await question.getByRole('button', { name: 'Sign out' }).click()
  await alice.locator('#name').waitFor()
})
