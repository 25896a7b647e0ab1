// Guards the promise of the product in a real browser: several people edit at once, all of
// them see the same in the end, the public page follows without a reload, and no one, forger or not,
// overwrites a protected field.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import {
  field,
  launch,
  openAdmin,
  openSite,
  refusedMerge,
  saved,
  shows,
  stayed,
  valueOn,
} from './harness/browser.js'
import { Forger, forge, forgeOnGenesis, scalar } from './harness/forger.js'
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

/** All three have the same settings, the site as its own client sees them over HTTP. */
async function agree() {
  await saved(alice, 'settings')
  await saved(bob, 'settings')
  return until('both admins and the server hold the same settings', async () => {
    const [left, right, { body }] = await Promise.all([
      valueOn(alice, 'settings'),
      valueOn(bob, 'settings'),
      server.call('GET', '/api/settings'),
    ])
    const same = [right, body].every(one => isDeepStrictEqual(one, left))
    return same ? left : undefined
  })
}

test('two admins edit different fields', async () => {
  await Promise.all([
    field(alice, '/slogan').fill('Made together'),
    field(bob, '/contact/phone').fill('+33 2 98 11 22 33'),
    until('what changed on the site glows', () =>
      site.evaluate(() => {
        const glowing = document.getAnimations().map(({ effect }) => {
          return effect instanceof KeyframeEffect ? effect.target?.textContent : null
        })
        return glowing.includes('Made together')
      }),
    ),
  ])
  const settings = await agree()
  assert.equal(settings.slogan, 'Made together')
  assert.equal(settings.contact.phone, '+33 2 98 11 22 33')
  await shows(site, 'Made together')
  await shows(site, '+33 2 98 11 22 33')
  assert.equal(await field(bob, '/slogan').inputValue(), 'Made together')
})

test('two admins type into one text at once, and each caret stays in its place', async () => {
  const head = 'Since yesterday, and with both hands: '
  const tail = ' Come and see for yourself.'
  const before = (await agree()).description
  await field(alice, '/description').focus()
  await alice.keyboard.press('Control+Home')
  await field(bob, '/description').focus()
  await bob.keyboard.press('Control+End')
  await Promise.all([
    alice.keyboard.type(head, { delay: 12 }),
    bob.keyboard.type(tail, { delay: 17 }),
  ])
  const settings = await agree()
  assert.equal(settings.description, head + before + tail)
  for (const page of [alice, bob]) {
    await until('the box shows the common text', async () => {
      return (await field(page, '/description').inputValue()) === settings.description
    })
  }
  await shows(site, head.trim())
  await shows(site, tail.trim())
})

test('one reorders a keyed list while the other edits an item of it', async () => {
  const [first, second] = (await agree()).socialLinks
  const box = field(bob, `/socialLinks/${first.id}/url`)
  await box.focus()
  await bob.keyboard.press('End')
  const down = alice
    .locator(`[data-item="${first.id}"]`)
    .getByRole('button', { name: /^Move down/ })
  await Promise.all([down.click(), bob.keyboard.type('/all-year', { delay: 15 })])

  const { socialLinks } = await agree()
  const ids = socialLinks.map((/** @type {{ id: string }} */ item) => item.id)
  assert.deepEqual(ids.slice(0, 2), [second.id, first.id])
  assert.equal(socialLinks[1].url, `${first.url}/all-year`)
  assert.equal(await box.inputValue(), `${first.url}/all-year`)
  assert.ok(await box.evaluate(element => element === document.activeElement), 'focus is kept')
  const urls = socialLinks.map((/** @type {{ url: string }} */ item) => item.url)
  await until('the site shows the links in their new order', async () => {
    const links = site.locator('#contact ul a')
    const shown = await links.evaluateAll(all => all.map(one => one.getAttribute('href')))
    return isDeepStrictEqual(shown, urls)
  })
})

test('the page’s own client refuses protected fields before anything is sent', async () => {
  const settings = await refusedMerge(alice, 'settings', { createdAt: '1999-01-01T00:00:00.000Z' })
  assert.equal(settings?.type, 'PolicyError')
  assert.equal(settings?.violations[0]?.pointer, '/createdAt')

  const { body } = await server.call('GET', '/api/team')
  const member = `team/${body.items[0].id}`
  await valueOn(alice, member)
  const team = await refusedMerge(alice, member, { employeeId: 'FORGED-1' })
  assert.equal(team?.type, 'PolicyError')
  assert.equal(team?.violations[0]?.pointer, '/employeeId')
})

test('a forged client is refused with pointer and rule, and nobody else sees anything', async () => {
  const before = await agree()
  const forger = await Forger.connect(server.url, await server.token('mallory', 'editor'))
  const settings = await forger.open('settings')

  /** @type {{ pointer: string, change: Uint8Array }[]} */
  const attempts = [forge, forgeOnGenesis].flatMap(make => [
    {
      pointer: '/createdAt',
      change: make(settings.document, draft => {
        draft.createdAt = scalar('1999-01-01T00:00:00.000Z')
      }),
    },
    {
      pointer: '/contact',
      change: make(settings.document, draft => {
        draft.contact = { email: scalar('mallory@example.org') }
      }),
    },
    {
      pointer: '/description',
      change: make(settings.document, draft => {
        draft.description = 'FORGED'
      }),
    },
  ])
  for (const { pointer, change } of attempts) {
    const { name, fields } = await forger.propose('settings', settings.epoch, [change])
    assert.equal(name, 'refused', pointer)
    assert.equal(Number(fields.admitted), 0)
    assert.equal(fields.violations[0].pointer, pointer)
    assert.match(fields.violations[0].rule, /^[a-z-]+$/)
  }
  assert.deepEqual(await agree(), before)

  // An edit that is allowed, by an actor that is new to all, reaches everyone.
  const allowed = forge(settings.document, draft => {
    draft.companyName = scalar('Forged, but fair')
  })
  const { name } = await forger.propose('settings', settings.epoch, [allowed])
  assert.equal(name, 'admitted')
  await shows(site, 'Forged, but fair')
  assert.deepEqual(
    { ...(await agree()), updatedAt: 0, updatedBy: 0 },
    { ...before, companyName: 'Forged, but fair', updatedAt: 0, updatedBy: 0 },
  )
  await forger.close()
})

test('a forged client cannot write what only a creation may', async () => {
  const { body } = await server.call('GET', '/api/team')
  const member = `team/${body.items[0].id}`
  const before = (await server.call('GET', `/api/${member}`)).body
  const forger = await Forger.connect(server.url, await server.token('mallory', 'editor'))
  const { epoch, document } = await forger.open(member)
  for (const make of [forge, forgeOnGenesis]) {
    const change = make(document, draft => {
      draft.employeeId = scalar('FORGED-1')
    })
    const { name, fields } = await forger.propose(member, epoch, [change])
    assert.equal(name, 'refused')
    assert.equal(fields.violations[0].pointer, '/employeeId')
  }
  assert.deepEqual((await server.call('GET', `/api/${member}`)).body, before)
  await forger.close()
})

test('of a forged proposal, what comes before the first forbidden change goes through', async () => {
  const forger = await Forger.connect(server.url, await server.token('mallory', 'editor'))
  const { epoch, document } = await forger.open('settings')
  const changes = [
    forge(document, draft => {
      draft.foundedYear = 1999
    }),
    forge(document, draft => {
      draft.updatedBy = scalar('nobody')
    }),
    forge(document, draft => {
      draft.foundedYear = 2000
    }),
  ]
  const { name, fields } = await forger.propose('settings', epoch, changes)
  assert.equal(name, 'refused')
  assert.equal(Number(fields.admitted), 1)
  assert.equal(fields.violations[0].change, 1)
  assert.equal(fields.violations[0].pointer, '/updatedBy')
  const settings = await agree()
  assert.equal(settings.foundedYear, 1999)
  assert.equal(settings.updatedBy, 'mallory')
  await forger.close()
})

test('the public page did without Automerge', async () => {
  const modules = (/** @type {Page} */ page) =>
    page.evaluate(() => {
      const names = performance.getEntriesByType('resource').map(({ name }) => name)
      return names
        .filter(name => name.endsWith('.wasm'))
        .map(name => name.replace(/^.*\/|_bg.*$/g, ''))
    })
  assert.deepEqual(await modules(site), ['values'])
  assert.deepEqual(await modules(alice), ['indelible'])
})

test('no page was reloaded on the way', async () => {
  for (const page of [alice, bob, site]) assert.ok(await stayed(page))
})
