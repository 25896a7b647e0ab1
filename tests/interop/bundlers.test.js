// Guards against a package that does not build, or builds and does not run, where people build: the
// packed tarball goes through each bundler, and its page is opened in Chromium beside a real server.

import assert from 'node:assert/strict'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createServer } from 'vite'
import { launch } from '../browser/harness/browser.js'
import { Server } from '../browser/harness/server.js'
import { DEADLINE_MS } from '../browser/harness/until.js'
import { install, LONG, NODE, pack, run, scratch } from './harness/consumer.js'
import { Files } from './harness/files.js'

/** The first one is for every run, the others for long ones. */
const BUNDLERS = ['webpack', 'esbuild', 'parcel', 'vite', 'rollup']

/** @type {string} */
let folder
/** @type {string} */
let tarball
/** @type {Files} */
let files
/** @type {Server} */
let server
/** @type {Awaited<ReturnType<typeof launch>>} */
let browser
/** @type {string} */
let token

before(async () => {
  folder = await scratch()
  tarball = await pack(folder)
  files = await Files.start()
  server = await Server.fresh({ origins: [files.url] })
  token = await server.token('alice', 'editor')
  browser = await launch()
})

after(async () => {
  await browser?.close()
  await server?.stop()
  await files?.stop()
  if (folder) await rm(folder, { recursive: true })
})

/**
 * Opens a consumer's page as a visitor and as an editor: the reader core, and the full one.
 *
 * @param {string} url
 * @param {{ server: Server, token: string }} beside
 */
async function shows(url, { server, token }) {
  const { companyName } = (await server.call('GET', '/api/settings')).body
  for (const [mode, query] of /** @type {const} */ ([
    ['value', {}],
    ['replica', { token }],
  ])) {
    const page = await browser.newPage()
    page.setDefaultTimeout(DEADLINE_MS)
    /** @type {string[]} */
    const errors = []
    page.on('pageerror', error => errors.push(error.message))
    await page.goto(`${url}?${new URLSearchParams({ server: server.url, ...query })}`)
    await page.waitForFunction(() => document.body.innerText.trim() !== '')
    assert.equal(await page.locator('body').innerText(), `${mode} ${companyName}`)
    assert.deepEqual(errors, [])
    await page.close()
  }
}

for (const [i, name] of BUNDLERS.entries()) {
  test(`${name} builds a page that runs`, { skip: i > 0 && !LONG }, async () => {
    const cwd = await install(name, tarball)
    files.folder = join(folder, name)
    await mkdir(files.folder)
    await run('npm', ['run', '--silent', 'build'], { cwd, env: { OUT: files.folder } })
    await shows(files.url, { server, token })
    const missing = files.missing.splice(0).filter(path => path !== '/favicon.ico')
    assert.deepEqual(missing, [])
  })
}

test('the development server of Vite serves a page that runs', { skip: !LONG }, async () => {
  const root = await install('vite', tarball)
  const cacheDir = join(folder, 'vite-cache')
  const dev = await createServer({ root, cacheDir, logLevel: 'error', configFile: false })
  /** @type {Server | undefined} */
  let beside
  try {
    await dev.listen()
    const { origin, href } = new URL(dev.resolvedUrls?.local[0] ?? '')
    beside = await Server.fresh({ origins: [origin] })
    await shows(href, { server: beside, token: await beside.token('alice', 'editor') })
  } finally {
    await dev.close()
    await beside?.stop()
  }
})

test('it runs in plain Node', async () => {
  const cwd = await install('node', tarball)
  const { companyName } = (await server.call('GET', '/api/settings')).body
  for (const [mode, words] of /** @type {const} */ ([
    ['value', []],
    ['replica', [token]],
  ])) {
    const printed = await run(NODE, ['main.js', server.url, ...words], { cwd })
    assert.equal(printed, `${mode} ${companyName}\n`)
  }
})
