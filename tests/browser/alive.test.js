// Guards against pages that say "live" or "saved" over a connection that is dead, that do not know why
// they have none, and that browsers cannot keep for going back.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { after, afterEach, before, test } from 'node:test'
import { WebSocketServer } from 'ws'
import { Line } from '../../client-wasm/ts/testing/line.js'
import { fits, launch, openAdmin, openSite, picture, signIn, valueOn } from './harness/browser.js'
import { Server } from './harness/server.js'
import { until } from './harness/until.js'

/** @type {Server} */
let server
/** @type {import('playwright-core').Browser} */
let browser
/** @type {Line[]} */
const lines = []

before(async () => {
  server = await Server.fresh()
  browser = await launch({ keepsPages: true })
})

afterEach(async () => {
  await Promise.all(browser.contexts().map(context => context.close()))
  await Promise.all(lines.splice(0).map(line => line.cut()))
})

after(async () => {
  await browser?.close()
  await server?.stop()
})

async function newLine() {
  const line = await Line.to(server.url)
  lines.push(line)
  return line
}

/** @param {import('playwright-core').Page} page */
function stateOn(page) {
  return page.evaluate(() => window.indelible?.client.status.state)
}

/**
 * An admin's page on a line of its own, in step with the server.
 *
 * @returns {Promise<{ line: Line, page: import('playwright-core').Page }>}
 */
async function adminOnLine() {
  const line = await newLine()
  const page = await openAdmin(browser, { url: line.url }, { name: 'Ada' })
  await until('it is in step', async () => (await stateOn(page)) === 'synced')
  return { line, page }
}

/**
 * Takes the line away, and has the page wait as long as it may before each attempt.
 *
 * @param {Line} line
 * @param {import('playwright-core').Page} page
 */
async function loseLine(line, page) {
  line.dead = true
  await page.evaluate(() => {
    Math.random = () => 0.999
    window.dispatchEvent(new Event('offline'))
  })
}

/**
 * The trouble and its button are shown in both languages, within the width of every screen.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} name of the pictures
 */
async function checkTrouble(page, name) {
  const trouble = page.locator('.trouble')
  for (const width of [380, 1_200]) {
    await page.setViewportSize({ width, height: 800 })
    for (const [language, text, button] of [
      ['Français', 'Essai de connexion…', 'Réessayer maintenant'],
      ['English', 'Trying to connect…', 'Try now'],
    ]) {
      await page.getByTitle(String(language)).click()
      await trouble.getByText(String(text)).waitFor()
      await trouble.getByRole('button', { name: String(button) }).waitFor()
      assert.ok(await fits(page, '.trouble'), `${language}, ${width}`)
      await picture(page, `${name}-${language}-${width}`)
    }
  }
}

/**
 * *Try now* makes another attempt at once; once the line is there again, the page comes back.
 *
 * @param {Line} line
 * @param {import('playwright-core').Page} page
 * @param {() => Promise<boolean>} isBack
 */
async function tryNow(line, page, isBack) {
  const trouble = page.locator('.trouble')
  const button = trouble.getByRole('button', { name: 'Try now' })
  const before = line.connections
  await button.click()
  await until('another attempt is made at once', () => line.connections > before)
  line.dead = false
  await until('it is back', async () => {
    if (await button.isVisible()) await button.click({ timeout: 1_000 }).catch(() => undefined)
    return isBack()
  })
  await until('nothing is wrong any more', async () => (await trouble.count()) === 0)
}

test('a dead line is not shown as a living one, and coming back is seen', async () => {
  const line = await newLine()
  // Time is the test's, so that half a minute of silence takes none.
  const options = { url: line.url }
  const admin = await openAdmin(browser, options, { name: 'Ada', clock: true })
  const site = await openSite(browser, options, { clock: true })
  const sign = site.locator('[data-live]')
  await until('the editor is in step', async () => (await stateOn(admin)) === 'synced')
  line.dead = true
  for (const page of [admin, site]) await page.clock.runFor(36_000)
  await until('the editor says so', async () => (await stateOn(admin)) !== 'synced')
  await until('the visitor is told', async () => (await sign.getAttribute('data-live')) !== 'live')

  line.dead = false
  for (const page of [admin, site]) {
    await until('it is back', async () => {
      await page.clock.runFor(1_000)
      return (
        (await page.locator('[data-live="live"], [data-connection="online"]').count()) > 0 &&
        (await page.locator('.trouble').count()) === 0
      )
    })
  }
})

test('a hint that the network went is no verdict', async () => {
  const { page } = await adminOnLine()
  const states = await page.evaluate(async () => {
    /** @type {string[]} */
    const told = []
    window.indelible?.client.subscribe(status => {
      told.push(status.state)
    })
    for (const type of ['offline', 'online', 'pageshow']) window.dispatchEvent(new Event(type))
    document.dispatchEvent(new Event('visibilitychange'))
    await window.indelible?.client.entity('settings').ready()
    return told
  })
  assert.deepEqual(states, [])
})

test('a page that was left and is gone back to is alive', async () => {
  const page = await openAdmin(browser, server, { name: 'Ada' })
  await until('it is in step', async () => (await stateOn(page)) === 'synced')
  await page.evaluate(() => Object.assign(window, { keptByTheBrowser: true }))
  await page.goto(`${server.url}/demo/site`)
  await page.evaluate(() => history.back())
  await until('it is shown and connected again', () =>
    page
      .evaluate(
        () => 'keptByTheBrowser' in window && window.indelible?.client.status.state === 'synced',
      )
      // Between two pages there is none.
      .catch(() => false),
  )
  const token = await server.token('bob', 'editor')
  const { version } = await server.call('GET', '/api/settings', { token })
  const path = `/api/settings?base=${encodeURIComponent(version)}`
  const body = { companyName: 'While away' }
  assert.equal((await server.call('PUT', path, { token, body })).status, 200)
  await until(
    'it follows',
    async () => (await valueOn(page, 'settings')).companyName === 'While away',
  )
})

test('trying now does not wait', async () => {
  const { line, page } = await adminOnLine()
  await loseLine(line, page)
  // On the dead line the attempt hangs: all the while there is the button.
  await until('an attempt hangs', async () => (await stateOn(page)) === 'connecting')
  await checkTrouble(page, 'trouble')
  await tryNow(line, page, async () => (await stateOn(page)) === 'synced')
})

test('the head of the backoffice is whole on a narrow screen, in both languages', async () => {
  const page = await openAdmin(browser, server, { name: 'Ada' })
  for (const width of [380, 768, 1_280]) {
    await page.setViewportSize({ width, height: 800 })
    for (const title of ['Français', 'English']) {
      await page.getByTitle(title).click()
      assert.ok(await fits(page, '.top'), `${title}, ${width}`)
      assert.equal(
        await page.locator('.top nav').evaluate(nav => nav.scrollWidth - nav.clientWidth),
        0,
      )
      await picture(page, `head-${title}-${width}`)
    }
  }
})

/**
 * What the client of a page of our server finds out about another address.
 *
 * @param {string} url
 * @returns {Promise<string>}
 */
async function whyNot(url) {
  const page = await openAdmin(browser, server, { name: 'Ada', anywhere: true })
  const code = await page.evaluate(async address => {
    const own = window.indelible?.client
    if (own === undefined) throw new Error('the page has no client')
    const Client = /** @type {typeof import('indelible').IndelibleClient} */ (own.constructor)
    const client = new Client({ url: address, reconnect: { delayMin: 1, delayMax: 50 } })
    client.connect()
    return new Promise(resolve => {
      client.subscribe(({ error }) => {
        if (error !== null) resolve(error.code)
      })
    })
  }, url)
  await page.context().close()
  return String(code)
}

/**
 * @param {import('node:http').Server} web
 * @returns {Promise<string>} its authority
 */
async function listen(web) {
  web.listen(0, '127.0.0.1')
  await once(web, 'listening')
  return `127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (web.address()).port}`
}

test('why there is no connection, as far as a page can know', async () => {
  for (const path of ['/synk', '/sync?x=1']) {
    assert.equal(await whyNot(`ws://127.0.0.1:${server.port}${path}`), 'wrong-path', path)
  }

  // Another port is another origin, whose pages the other server does not let in.
  const other = await Server.fresh()
  const address = `ws://127.0.0.1:${other.port}/sync`
  assert.equal(await whyNot(address), 'origin-refused')
  assert.ok(other.log.includes(`--allow-origin ${server.url}`), other.log)
  await other.stop()
  assert.equal(await whyNot(address), 'unreachable')

  const foreign = createServer((_, response) => response.end('<html>'))
  assert.equal(await whyNot(`ws://${await listen(foreign)}/sync`), 'not-indelible')
  foreign.closeAllConnections()
  foreign.close()
})

/** Passes requests on, but no upgrades. */
function proxyOfAnswers() {
  return createServer((near, response) => {
    const { method, url: path, headers } = near
    const far = request({ port: server.port, host: '127.0.0.1', method, path, headers }, answer => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    far.on('error', () => response.destroy())
    near.pipe(far)
  })
}

test('a page whose own rules forbid the connection says so', async () => {
  for (const path of ['site', 'admin']) {
    const context = await browser.newContext({ locale: 'en-GB' })
    const page = await context.newPage()
    // The modules and the token may be fetched, the socket may not be opened.
    const rules = `connect-src ${server.url}/assets/ ${server.url}/dev/`
    await page.route(`${server.url}/demo/${path}`, async route => {
      const response = await route.fetch()
      const headers = { ...response.headers(), 'content-security-policy': rules }
      await route.fulfill({ response, headers })
    })
    await page.goto(`${server.url}/demo/${path}`)
    if (path === 'admin') {
      await page.locator('#name').fill('Ada')
      await page.locator('#role').selectOption('editor')
      await page.getByRole('button', { name: 'Sign in' }).click()
    }
    const trouble = page.locator('[data-trouble="blocked-by-page"]')
    await trouble.waitFor()
    assert.match(await trouble.innerText(), /Content-Security-Policy.*do not let it connect/)
    await trouble.getByRole('button', { name: 'Try now' }).waitFor()
  }
  // Nothing at all may be asked: not even the modules come.
  const context = await browser.newContext({ locale: 'en-GB' })
  const page = await context.newPage()
  await page.route(`${server.url}/demo/site`, async route => {
    const response = await route.fetch()
    const headers = { ...response.headers(), 'content-security-policy': "connect-src 'none'" }
    await route.fulfill({ response, headers })
  })
  await page.goto(`${server.url}/demo/site`)
  await page.locator('[data-trouble="wasm"]').waitFor()
})

test('the site says why it is not live, and tries again when it is told to', async () => {
  const line = await newLine()
  const page = await openSite(browser, { url: line.url })
  await loseLine(line, page)
  await checkTrouble(page, 'site-trouble')
  await tryNow(line, page, async () => (await page.locator('[data-live="live"]').count()) > 0)
})

test('a site that nothing reaches can be read in both languages, and names the code whole', async () => {
  const proxy = proxyOfAnswers()
  proxy.on('upgrade', (_, socket) => socket.destroy())
  const context = await browser.newContext({ locale: 'en-GB' })
  const page = await context.newPage()
  await page.goto(`http://${await listen(proxy)}/demo/site`)
  const trouble = page.locator('[data-trouble="no-upgrade"]')
  await trouble.waitFor()
  for (const width of [320, 1_200]) {
    await page.setViewportSize({ width, height: 800 })
    for (const [language, text] of [
      ['Français', 'Chargement de la page…'],
      ['English', 'Loading the page…'],
    ]) {
      await page.getByTitle(String(language)).click()
      await page.getByText(String(text)).waitFor()
      for (const part of ['.masthead', '.trouble']) assert.ok(await fits(page, part), part)
      const lines = await trouble.locator('code').evaluate(code => code.getClientRects().length)
      assert.equal(lines, 1, `the code is on one line, ${width}`)
      const below = await trouble.evaluate(bar => innerHeight - bar.getBoundingClientRect().bottom)
      assert.ok(Math.abs(below) < 1, `the bar is at the bottom, ${width}: ${below}`)
      await picture(page, `site-unreached-${language}-${width}`)
    }
  }
  proxy.closeAllConnections()
  proxy.close()
})

test('a connection that opens and is cut is not said to have been there', async () => {
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'indelible.v1' })
  const cutting = proxyOfAnswers()
  cutting.on('upgrade', (asked, socket, head) => {
    sockets.handleUpgrade(asked, socket, head, opened => opened.terminate())
  })
  const page = await signIn(browser, { url: `http://${await listen(cutting)}` }, { name: 'Ada' })
  const trouble = page.locator('[data-trouble="silent"]')
  await trouble.waitFor()
  assert.match(await trouble.innerText(), /Nothing comes from the server.*it is lost, or something/)
  await page.getByTitle('Français').click()
  assert.match(await trouble.innerText(), /elle est perdue, ou quelque chose la coupe/)
  cutting.closeAllConnections()
  cutting.close()
})

test('a proxy that passes no upgrades is named as what it is', async () => {
  const proxy = proxyOfAnswers()
  proxy.on('upgrade', (_, socket) => {
    socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n')
  })
  const page = await signIn(browser, { url: `http://${await listen(proxy)}` }, { name: 'Ada' })
  const trouble = page.locator('[data-trouble="no-upgrade"]')
  await trouble.waitFor()
  assert.match(await trouble.innerText(), /a proxy or filter on the way/)
  await page.getByTitle('Français').click()
  assert.match(await trouble.innerText(), /un proxy ou un filtre/)
  proxy.closeAllConnections()
  proxy.close()
})
