// Guards against a value that is lost without a word: two people write one field while neither can
// see the other, both are saved, and the one whose value lost sees that at the field.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { field, launch, openAdmin, picture, saved, valueOn } from './harness/browser.js'
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

before(async () => {
  server = await Server.fresh()
  browser = await launch()
  alice = await openAdmin(browser, server, { name: 'Alice' })
  bob = await openAdmin(browser, server, { name: 'Bob' })
  await Promise.all([alice, bob].map(page => field(page, '/companyName').waitFor()))
})

after(async () => {
  await browser?.close()
  await server?.stop()
})

/**
 * Both write the name while the server is away.
 *
 * @param {string} what a value that was not written before
 * @returns {Promise<{ loser: Page, winner: Page, mine: string, stands: string, who: string }>}
 */
async function race(what) {
  await server.kill()
  await field(alice, '/companyName').fill(`${what} of Alice`)
  await field(bob, '/companyName').fill(`${what} of Bob`)
  await server.start()
  await Promise.all([saved(alice, 'settings'), saved(bob, 'settings')])
  const stands = await until('both show the same name', async () => {
    const [left, right] = await Promise.all([valueOn(alice, 'settings'), valueOn(bob, 'settings')])
    return left.companyName === right.companyName ? left.companyName : undefined
  })
  const aliceWon = stands === `${what} of Alice`
  return {
    loser: aliceWon ? bob : alice,
    winner: aliceWon ? alice : bob,
    mine: aliceWon ? `${what} of Bob` : `${what} of Alice`,
    who: aliceWon ? 'Alice' : 'Bob',
    stands,
  }
}

/** @param {Page} page */
function beside(page) {
  return page.locator('[data-conflict="/companyName"]')
}

test('the one whose value does not stand reads who wrote what, and takes it back', async () => {
  const { loser, winner, mine, stands, who } = await race('Company')
  const notice = beside(loser)
  await notice.waitFor()
  const text = await notice.innerText()
  assert.match(text, new RegExp(`^${who} wrote here at the same time as you`))
  assert.ok(text.includes(mine), text)
  assert.ok(text.includes(stands), text)
  assert.equal(await beside(winner).count(), 0)
  await picture(loser, 'beside-en')

  await notice.getByRole('button', { name: 'Take my value' }).click()
  await until('the notice is gone', async () => (await notice.count()) === 0)
  assert.equal(await field(loser, '/companyName').inputValue(), mine)
  await saved(loser, 'settings')
  await until('the other one shows it too', async () => {
    return (await valueOn(winner, 'settings')).companyName === mine
  })
  assert.equal(await beside(winner).count(), 0, 'it was written by somebody who saw both')
})

test('in French, and the other value may be kept', async () => {
  for (const page of [alice, bob]) await page.getByTitle('Français').click()
  const { loser, winner, mine, stands, who } = await race('Firm')
  const notice = beside(loser)
  await notice.waitFor()
  const text = await notice.innerText()
  assert.match(text, new RegExp(`^${who} a écrit ici en même temps que vous`))
  assert.ok(text.includes(mine) && text.includes(stands), text)
  await picture(loser, 'beside-fr')
  await notice.getByRole('button', { name: 'Laisser ainsi' }).click()
  await until('the notice is gone', async () => (await notice.count()) === 0)
  assert.equal(await field(loser, '/companyName').inputValue(), stands)
  assert.equal((await valueOn(winner, 'settings')).companyName, stands)
})
