// Guards what “saved” means: the server dies right after saying so, with other edits under way.
// What was saved is on every page afterwards, without a reload; what was under way arrives once.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import {
  field,
  launch,
  openAdmin,
  openSite,
  saved,
  shows,
  stayed,
  valueOn,
} from './harness/browser.js'
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
/** @type {Page} */
let site

before(async () => {
  server = await Server.fresh()
  browser = await launch()
  alice = await openAdmin(browser, server, { name: 'Alice' })
  bob = await openAdmin(browser, server, { name: 'Bob' })
  site = await openSite(browser, server)
})

after(async () => {
  await browser?.close()
  await server?.stop()
})

/**
 * @param {string} text
 * @param {string} part
 */
function count(text, part) {
  return text.split(part).length - 1
}

for (const round of [1, 2, 3]) {
  test(`a server killed right after saved(), time ${round}`, async () => {
    const slogan = `Saved before crash ${round}`
    const inFlight = [1, 2, 3, 4].map(n => ` [${round}.${n}]`)
    await alice.evaluate(async text => {
      const settings = window.indelible?.client.entity('settings')
      settings?.merge({ slogan: text })
      await settings?.saved()
    }, slogan)

    // Edits of two people leave their pages while the server dies; the test does not wait for them.
    const edits = [alice, bob].map((page, person) =>
      page.evaluate(
        async parts => {
          const settings = window.indelible?.client.entity('settings')
          for (const part of parts) {
            settings?.change((/** @type {any} */ draft) => {
              draft.description += part
            })
            document.body.dataset.edits = `${Number(document.body.dataset.edits ?? 0) + 1}`
            // Lets the proposal of each edit go out by itself.
            await new Promise(next => requestAnimationFrame(next))
          }
        },
        inFlight.slice(person * 2, person * 2 + 2),
      ),
    )
    // Each time the server dies a little later on their way: after none, one, two of Alice’s.
    const atLeast = 3 * (round - 1)
    await until('edits are on their way', async () => {
      const made = await alice.evaluate(() => Number(document.body.dataset.edits ?? 0))
      return made >= atLeast
    })
    await server.kill()
    await Promise.all(edits)
    await until('a page knows that it is offline', () =>
      alice.locator('[data-connection="offline"], [data-connection="connecting"]').count(),
    )
    await server.start()

    await shows(site, slogan)
    await Promise.all([saved(alice, 'settings'), saved(bob, 'settings')])
    const settings = await until('everybody holds the same', async () => {
      const values = await Promise.all([
        valueOn(alice, 'settings'),
        valueOn(bob, 'settings'),
        server.call('GET', '/api/settings').then(({ body }) => body),
      ])
      const [one] = values
      const same = values.every(value => isDeepStrictEqual(value, one))
      return same ? one : undefined
    })
    assert.equal(settings.slogan, slogan)
    for (const part of inFlight) assert.equal(count(settings.description, part), 1, part)
    await shows(site, inFlight.at(-1) ?? '')
    assert.equal(await field(bob, '/slogan').inputValue(), slogan)
    for (const page of [alice, bob, site]) assert.ok(await stayed(page))
  })
}
