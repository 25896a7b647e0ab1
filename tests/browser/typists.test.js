// Guards against letters that land elsewhere than where their author's caret was: three people
// type into one text at once, over a slow network, in the backoffice and in a page of one's own.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { field, launch, openAdmin, saved, valueOn } from './harness/browser.js'
import { SlowNetwork } from './harness/delays.js'
import { Server } from './harness/server.js'
import { chances, faults, Typist } from './harness/typist.js'
import { until } from './harness/until.js'

/** @typedef {import('playwright-core').Page} Page */

const SEEDS = process.env.INDELIBLE_LONG ? 200 : 5
const EDITS = 25
const FIRST = 'абвгдежзийклмнопрстуфхцчшщъыьэюя😀αβγδεζηθικλμ🙂νξοπρστυφχψω'

/** @type {import('playwright-core').Browser} */
let browser
/** @type {Server} */
let server
/** @type {SlowNetwork[]} */
let networks

before(async () => {
  server = await Server.fresh()
  browser = await launch()
  networks = await Promise.all(
    [1, 2, 3].map(seed => SlowNetwork.before(server.port, chances(seed))),
  )
})

after(async () => {
  await browser?.close()
  await Promise.all(networks?.map(network => network.stop()) ?? [])
  await server?.stop()
})

/**
 * @param {Page[]} pages
 * @param {string} selector
 * @param {number} seed
 */
async function play(pages, selector, seed) {
  for (const network of networks) network.delayMax = 0
  const [first] = /** @type {[Page, ...Page[]]} */ (pages)
  await first.evaluate(async text => {
    const settings = window.indelible?.client.entity('settings')
    settings?.merge({ description: text })
    await settings?.saved()
  }, FIRST)
  const show = (/** @type {string} */ text) =>
    Promise.all(
      pages.map(page =>
        until('the box shows the text', async () => {
          return (await page.locator(selector).inputValue()) === text
        }),
      ),
    )
  await show(FIRST)
  const typists = await Promise.all(
    pages.map((page, number) => Typist.at(page, selector, number, seed)),
  )
  const chance = chances(seed)
  for (const network of networks) network.delayMax = 20 + chance() * 380
  await Promise.all(typists.map(typist => typist.begin()))
  await Promise.all(typists.map(typist => typist.type(EDITS)))
  for (const network of networks) network.delayMax = 0
  await Promise.all(pages.map(page => saved(page, 'settings')))
  const last = (await server.call('GET', '/api/settings')).body.description
  await show(last)
  for (const page of pages) assert.equal((await valueOn(page, 'settings')).description, last)
  const edits = (await Promise.all(typists.map(typist => typist.edits()))).flat()
  assert.ok(edits.length > EDITS, `only ${edits.length} edits`)
  assert.deepEqual(faults(FIRST, last, edits), [], `seed ${seed}`)
}

test('three typists in the backoffice', async () => {
  const pages = await Promise.all(
    networks.map((network, at) => {
      const name = /** @type {string} */ (['Alice', 'Bob', 'Carol'][at])
      return openAdmin(browser, network, { name })
    }),
  )
  await Promise.all(pages.map(page => field(page, '/description').waitFor()))
  for (let seed = 1; seed <= SEEDS; seed += 1) await play(pages, '[name="/description"]', seed)
  for (const page of pages) await page.context().close()
})

const PACKAGE = fileURLToPath(new URL('../../client-wasm/dist/', import.meta.url))
const TYPES = /** @type {Record<string, string>} */ ({
  js: 'text/javascript',
  wasm: 'application/wasm',
})

/**
 * A page with nothing but a text box and the package.
 *
 * @param {SlowNetwork} network
 * @param {string} token
 * @returns {Promise<Page>}
 */
async function openOwn(network, token) {
  // What is made up here counts as from the internet, and the server is on this machine.
  const context = await browser.newContext({ permissions: ['local-network-access'] })
  const page = await context.newPage()
  page.on('pageerror', error => process.stderr.write(`${error.stack ?? error.message}\n`))
  await page.route(`${network.url}/own/**`, async (route, request) => {
    const file = new URL(request.url()).pathname.slice('/own/'.length)
    const type = TYPES[file.split('.').at(-1) ?? ''] ?? 'text/html'
    const body = file === '' ? html(token) : await readFile(`${PACKAGE}${file}`)
    await route.fulfill({ body, contentType: type })
  })
  await page.goto(`${network.url}/own/`)
  await page.locator('textarea.bound').waitFor()
  return page
}

const html = (/** @type {string} */ token) => `<!doctype html>
<meta charset="utf-8">
<textarea rows="20" cols="80"></textarea>
<script type="module">
  import { IndelibleClient } from './index.js'
  const client = new IndelibleClient({ url: '/sync', token: ${JSON.stringify(token)} })
  const settings = client.entity('settings')
  const box = document.querySelector('textarea')
  settings.bindText('/description', box)
  window.indelible = { client }
  await settings.ready()
  box.className = 'bound'
</script>`

test('three typists in a page of one’s own', async () => {
  const pages = await Promise.all(
    networks.map(async (network, at) => openOwn(network, await server.token(`t${at}`, 'editor'))),
  )
  for (let seed = 1; seed <= SEEDS; seed += 1) await play(pages, 'textarea', seed + 1_000)
  for (const page of pages) await page.context().close()
})

test('undo takes back one’s own letters, around those of others', async () => {
  for (const network of networks) network.delayMax = 0
  const [left, right] = await Promise.all(
    networks.slice(0, 2).map(async (network, at) => {
      return openOwn(network, await server.token(`u${at}`, 'editor'))
    }),
  )
  assert.ok(left && right)
  const shows = (/** @type {string} */ text) =>
    Promise.all(
      [left, right].map(page =>
        until(`the box shows “${text}”`, async () => {
          return (await page.locator('textarea').inputValue()) === text
        }),
      ),
    )
  await left.locator('textarea').fill('one three')
  await shows('one three')
  await left.locator('textarea').press('Home')
  for (let count = 0; count < 4; count += 1) await left.keyboard.press('ArrowRight')
  await left.keyboard.type('two ')
  await shows('one two three')
  await right.locator('textarea').press('Home')
  await right.keyboard.type('0 ')
  for (let count = 0; count < 5; count += 1) await right.keyboard.press('ArrowRight')
  await right.keyboard.type('!')
  await shows('0 one t!wo three')
  await left.keyboard.press('Control+z')
  await shows('0 one !three')
  await left.keyboard.press('Control+Shift+z')
  await shows('0 one t!wo three')
  for (const page of [left, right]) await page.context().close()
})
