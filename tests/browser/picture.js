// Makes the picture for the README: two admins and the public page, side by side, mid-sentence.
// Run with `npm run picture` after `cargo xtask build`; writes docs/images/demo.png.

import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { field, launch, openAdmin, openSite, saved, shows } from './harness/browser.js'
import { Server } from './harness/server.js'

const OUT = fileURLToPath(new URL('../../docs/images/demo.png', import.meta.url))
const PANE = { width: 680, height: 820 }

const server = await Server.fresh()
const browser = await launch()
try {
  const alice = await openAdmin(browser, server, { name: 'Alice' })
  const bob = await openAdmin(browser, server, { name: 'Bob', at: '#/team/jane-doe' })
  const site = await openSite(browser, server)
  for (const page of [alice, bob, site]) await page.setViewportSize(PANE)

  const slogan = 'Software for places that people love'
  await field(alice, '/slogan').fill(slogan)
  await field(bob, '/role').fill('Founder and managing director')
  await Promise.all([saved(alice, 'settings'), saved(bob, 'team/jane-doe')])
  await shows(site, slogan)

  // No box shall look as if a pointer were over it.
  for (const page of [alice, bob]) await page.mouse.move(0, 0)

  const panes = await Promise.all(
    [alice, site, bob].map(async page => {
      const image = await page.screenshot({ animations: 'disabled' })
      return `<img src="data:image/png;base64,${image.toString('base64')}">`
    }),
  )
  const sheet = await browser.newPage({ viewport: { width: 1500, height: 612 } })
  await sheet.setContent(`<!doctype html><style>
    body { margin: 0; padding: 24px; display: flex; gap: 24px; background: #dfe2ea }
    img { width: 468px; border-radius: 8px; box-shadow: 0 4px 18px rgb(20 30 60 / .25) }
  </style>${panes.join('')}`)
  await sheet.waitForFunction(() => [...document.images].every(image => image.complete))
  await mkdir(dirname(OUT), { recursive: true })
  await sheet.screenshot({ path: OUT, fullPage: true })
  process.stdout.write(`${OUT}: ${Math.round((await stat(OUT)).size / 1024)} KiB\n`)
} finally {
  await browser.close()
  await server.stop()
}
