// Guards against work that is lost without a word by closing a tab.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { field, launch, openAdmin, saved, shows } from './harness/browser.js'
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

/** @param {import('playwright-core').Page} page */
function offline(page) {
  return until('the page knows that it is offline', () =>
    page.locator('[data-connection="offline"], [data-connection="connecting"]').count(),
  )
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
  // Nothing is pending: nobody is asked.
  await alice.reload()
  await alice.locator('article.entity').waitFor()
  assert.equal(await field(alice, '/slogan').inputValue(), 'Not there yet')
  assert.deepEqual(asked, ['beforeunload'])
})
