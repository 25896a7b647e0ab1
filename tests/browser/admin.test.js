// Guards the backoffice as one person uses it: making an entity, seeing what is not accepted,
// seeing what is protected and why, and reading it all in French.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { field, launch, openAdmin, openSite, saved, shows, valueOn } from './harness/browser.js'
import { Server } from './harness/server.js'
import { until } from './harness/until.js'

/** @type {import('playwright-core').Browser} */
let browser
/** @type {Server} */
let server

before(async () => {
  server = await Server.fresh()
  browser = await launch()
})

after(async () => {
  await browser?.close()
  await server?.stop()
})

test('a member is created: faults are shown at their fields, then the site shows it', async () => {
  const site = await openSite(browser, server)
  const alice = await openAdmin(browser, server, { name: 'Alice' })
  await alice.getByRole('link', { name: 'Team' }).click()
  await alice.getByRole('link', { name: 'New member' }).click()
  await field(alice, '/name').fill('Grace Hopper')
  await field(alice, '/employeeId').fill('not a number')
  await alice.getByRole('button', { name: 'Create' }).click()
  await alice.locator('[data-pointer="/employeeId"] .reason').waitFor()

  await field(alice, '/employeeId').fill('E-0042')
  await field(alice, '/joinDate').fill('2026-01-02')
  await field(alice, '/bio').fill('Grace found the first bug, and taped it into the log.')
  await alice.getByRole('button', { name: 'Create' }).click()
  const locked = alice.locator('article [data-pointer="/employeeId"]')
  assert.match(await locked.innerText(), /E-0042\s+Set once, when it was made/)
  assert.equal(await field(alice, '/employeeId').count(), 0)
  await shows(site, 'Grace Hopper')
  await shows(site, 'taped it into the log')
})

test('what the policy does not accept stays in the box with the reason, and nowhere else', async () => {
  const alice = await openAdmin(browser, server, { name: 'Alice' })
  const before = (await valueOn(alice, 'settings')).contact.email
  const email = alice.locator('[data-pointer="/contact/email"]')
  await field(alice, '/contact/email').fill('not an address')
  assert.match(await email.locator('.reason').innerText(), /^Not saved: /)
  assert.equal((await valueOn(alice, 'settings')).contact.email, before)
  await email.getByRole('button', { name: 'Undo' }).click()
  assert.equal(await field(alice, '/contact/email').inputValue(), before)
  assert.equal(await email.locator('.reason').count(), 0)
})

test('what only the server can judge is undone and told', async () => {
  const alice = await openAdmin(browser, server, { name: 'Alice' })
  const { openingHours } = await valueOn(alice, 'settings')
  const { id } = openingHours.find((/** @type {{ closed?: boolean }} */ hours) => hours.closed)
  // Open, but from when to when?
  const box = field(alice, `/openingHours/${id}/closed`)
  await box.uncheck({ force: true, noWaitAfter: true }).catch(() => undefined)
  await alice.locator('.refusal').waitFor()
  await until('the box is ticked again', () => box.isChecked())
  await assert.rejects(saved(alice, 'settings'))
  // What was lost stays visible, with its value, after the next edit too.
  const lost = alice.locator(`[data-lost="/openingHours/${id}/closed"]`)
  assert.match(await lost.innerText(), /refused by the server\s+false/)
  await field(alice, '/foundedYear').fill('2012')
  await saved(alice, 'settings')
  await until('the refusal is over', async () => (await alice.locator('.refusal').count()) === 0)
  assert.equal(await lost.count(), 1)
  await alice.getByRole('button', { name: 'Forget this' }).click()
  assert.equal(await alice.locator('.lost').count(), 0)
})

test('lists grow, move and shrink by keyboard', async () => {
  const alice = await openAdmin(browser, server, { name: 'Alice' })
  const list = alice.locator('fieldset[data-pointer="/socialLinks"]')
  const before = (await valueOn(alice, 'settings')).socialLinks.length
  await list.getByRole('button', { name: 'Add' }).press('Enter')
  await list.locator('.new-item select').selectOption('bluesky')
  await list.locator('.new-item [name="/url"]').fill('https://bluesky.example/fernhill')
  await list.locator('.new-item [name="/url"]').press('Enter')
  const added = list.locator('li').last()
  await until('the link is in the list', async () => (await list.locator('li').count()) > before)
  await added.getByRole('button', { name: /^Move up/ }).press('Enter')
  const networks = async () =>
    (await valueOn(alice, 'settings')).socialLinks.map(
      (/** @type {{ network: string }} */ link) => link.network,
    )
  assert.equal((await networks()).at(-2), 'bluesky')
  const moved = list.locator('li').nth(before - 1)
  await moved.getByRole('button', { name: /^Remove/ }).press('Enter')
  assert.ok(!(await networks()).includes('bluesky'))
  await saved(alice, 'settings')
})

test('who may only read sees everything and can change nothing', async () => {
  const vera = await openAdmin(browser, server, { name: 'Vera', role: 'viewer' })
  await vera.getByText('You may read this, but not edit it.').first().waitFor()
  const boxes = vera.locator('article :is(input, textarea, select)')
  assert.equal(await boxes.count(), 0)
})

test('the pages speak French', async () => {
  const alice = await openAdmin(browser, server, { name: 'Alice' })
  await alice.getByRole('button', { name: 'FR', exact: true }).click()
  await alice.getByRole('heading', { name: 'Réglages' }).waitFor()
  await alice.getByText('Nom de l’entreprise').waitFor()
  await alice.getByText('Tenu par le serveur').first().waitFor()
  assert.equal(await alice.evaluate(() => document.documentElement.lang), 'fr')
})

test('a token signs in and out again, and one that is no good is refused', async () => {
  const token = await server.token('tessa', 'editor')
  const context = await browser.newContext({ locale: 'en-GB' })
  const page = await context.newPage()
  await page.goto(`${server.url}/demo/admin`)
  await page.getByRole('button', { name: 'Token' }).click()
  await page.locator('#token').fill(`${token.slice(0, -4)}AAAA`)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('The server does not accept this token').waitFor()
  await page.getByRole('button', { name: 'Token' }).click()
  await page.locator('#token').fill(token)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.locator('article.entity').waitFor()

  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.locator('#name').waitFor()
  await page.reload()
  await page.locator('#name').waitFor()
})
