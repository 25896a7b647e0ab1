/** Real Chromium, and the demo pages as a person uses them. */

import { chromium } from 'playwright-core'
import { DEADLINE_MS, until } from './until.js'

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').Browser} Browser */
/** @typedef {import('./server.js').Server} Server */

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/**
 * @param {{ keepsPages?: boolean }} [options] `keepsPages`: pages that were left are kept for going
 *   back, as browsers do unless a test drives them
 * @returns {Promise<Browser>}
 */
export function launch({ keepsPages = false } = {}) {
  return chromium.launch({
    ignoreDefaultArgs: keepsPages ? ['--disable-back-forward-cache'] : [],
    executablePath: process.env.INDELIBLE_CHROMIUM ?? '/usr/bin/chromium',
    args: FLAGS,
    timeout: DEADLINE_MS,
  })
}

/**
 * Every person has a browser context of their own: nothing is shared between them.
 *
 * @param {Browser} browser
 * @param {string} url
 * @param {{ clock?: boolean, anywhere?: boolean }} [options] `clock`: the test may run the page's
 *   time; `anywhere`: the page may ask other hosts, which our pages forbid themselves
 * @returns {Promise<Page>}
 */
async function openPage(browser, url, { clock = false, anywhere = false } = {}) {
  const context = await browser.newContext({ locale: 'en-GB', bypassCSP: anywhere })
  context.setDefaultTimeout(DEADLINE_MS)
  if (clock) await context.clock.install()
  const page = await context.newPage()
  page.on('pageerror', error => {
    process.stderr.write(`${url}: ${error.stack ?? error.message}\n`)
  })
  await page.goto(url)
  // Gone after a reload: `stayed` looks for it.
  await page.evaluate(() => Object.assign(window, { neverReloaded: true }))
  return page
}

/**
 * @param {Browser} browser
 * @param {{ url: string }} server
 * @param {{ clock?: boolean }} [options]
 * @returns {Promise<Page>}
 */
export async function openSite(browser, server, options) {
  const page = await openPage(browser, `${server.url}/demo/site`, options)
  await page.locator('[data-live="live"]').waitFor()
  return page
}

/**
 * Signs in by name and role, as the page offers it with `--dev`.
 *
 * @param {Browser} browser
 * @param {{ url: string }} server
 * @param {{ name: string, role?: string, at?: string, clock?: boolean, anywhere?: boolean }} person
 * @returns {Promise<Page>}
 */
export async function openAdmin(browser, server, person) {
  const page = await signIn(browser, server, person)
  await page.locator('article.entity').waitFor()
  return page
}

/**
 * The same where there may be no connection.
 *
 * @param {Browser} browser
 * @param {{ url: string }} server
 * @param {{ name: string, role?: string, at?: string, clock?: boolean, anywhere?: boolean }} person
 * @returns {Promise<Page>}
 */
export async function signIn(
  browser,
  server,
  { name, role = 'editor', at = '#/settings', ...options },
) {
  const page = await openPage(browser, `${server.url}/demo/admin${at}`, options)
  await page.locator('#name').fill(name)
  await page.locator('#role').selectOption(role)
  await page.getByRole('button', { name: 'Sign in' }).click()
  return page
}

/**
 * The box of a field.
 *
 * @param {Page} page
 * @param {string} pointer items of keyed lists by id
 */
export function field(page, pointer) {
  return page.locator(`[name="${pointer}"]`)
}

/**
 * The value that the page's own client holds.
 *
 * @param {Page} page
 * @param {string} name
 * @returns {Promise<any>}
 */
export function valueOn(page, name) {
  return page.evaluate(async entity => {
    const handle = window.indelible?.client.entity(entity)
    return handle && (handle.value ?? (await handle.ready()))
  }, name)
}

/**
 * Everything that was done on this page is durable on the server.
 *
 * @param {Page} page
 * @param {string} name
 */
export async function saved(page, name) {
  await page.evaluate(entity => window.indelible?.client.entity(entity).saved(), name)
}

/**
 * What an edit that must not be possible throws.
 *
 * @param {Page} page
 * @param {string} name
 * @param {object} body
 */
export function refusedMerge(page, name, body) {
  return page.evaluate(
    ([entity, part]) => {
      try {
        window.indelible?.client.entity(entity).merge(part)
        return null
      } catch (error) {
        const { name: type, violations } = /** @type {import('indelible').PolicyError} */ (error)
        return { type, violations }
      }
    },
    /** @type {const} */ ([name, body]),
  )
}

/**
 * @param {Page} page
 * @param {string} text
 */
export function shows(page, text) {
  return until(`the page shows “${text}”`, () =>
    page.evaluate(wanted => document.body.innerText.includes(wanted), text),
  )
}

/**
 * @param {Page} page
 * @returns {Promise<boolean>}
 */
export function stayed(page) {
  return page.evaluate(() => 'neverReloaded' in window)
}

/**
 * Takes a picture of the page, light and dark, if pictures were asked for.
 *
 * @param {Page} page
 * @param {string} name
 */
export async function picture(page, name) {
  const folder = process.env.INDELIBLE_PICTURES
  if (folder === undefined) return
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    await page.emulateMedia({ colorScheme })
    await page.screenshot({ path: `${folder}/${name}-${colorScheme}.png` })
  }
}

/**
 * Whether an element lies within the width of the screen, with everything in it.
 *
 * @param {Page} page
 * @param {string} selector
 * @returns {Promise<boolean>}
 */
export function fits(page, selector) {
  return page.locator(selector).evaluate(element => {
    const inside = [element, ...element.querySelectorAll('*')]
    return inside.every(part => {
      const { left, right } = part.getBoundingClientRect()
      return left >= 0 && right <= innerWidth
    })
  })
}
