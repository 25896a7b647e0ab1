// Guards against types that only compile here: programs against the packed package, by each
// TypeScript that we name and later ones, with and without the DOM, in every resolution, with the
// library's own declarations checked.

import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { install, LONG, NODE, pack, run, scratch } from './harness/consumer.js'

/** The first one is the oldest, which the package's README names. */
const VERSIONS = ['5.0', '5.3', '5.6', '5.7', '5.9', '6.0', '7.0']
const [OLDEST, NEWEST] = /** @type {[string, string]} */ ([VERSIONS[0], VERSIONS.at(-1)])

/** `moduleResolution`, with the `module` that goes with it. */
const RESOLUTIONS = { bundler: 'esnext', node16: 'node16', nodenext: 'nodenext' }

/** @type {Record<string, { lib: string[], types: string[], files: string[] }>} */
const PLACES = {
  anywhere: { lib: ['es2020'], types: [], files: ['anywhere.ts'] },
  page: { lib: ['es2022', 'dom', 'dom.iterable'], types: [], files: ['page.ts'] },
  node: { lib: ['es2023'], types: ['node'], files: ['node.ts'] },
}

/** What a short run does: each version's end, place and resolution once. */
const SHORT = [`${OLDEST} bundler anywhere`, `${OLDEST} node16 page`, `${NEWEST} nodenext node`]

/** @type {string} */
let folder
/** @type {string} */
let cwd

before(async () => {
  folder = await scratch()
  cwd = await install('types', await pack(folder))
})

after(async () => {
  if (folder) await rm(folder, { recursive: true })
})

/** @param {string} version */
function compiler(version) {
  const name = version === NEWEST ? 'typescript' : `typescript-${version}`
  return fileURLToPath(new URL(`node_modules/${name}/bin/tsc`, import.meta.url))
}

for (const version of VERSIONS) {
  for (const [moduleResolution, module] of Object.entries(RESOLUTIONS)) {
    for (const [place, { lib, types, files }] of Object.entries(PLACES)) {
      const name = `${version} ${moduleResolution} ${place}`
      test(`TypeScript ${name}`, { skip: !LONG && !SHORT.includes(name) }, async () => {
        const compilerOptions = {
          ...{ target: 'es2022', lib, types, module, moduleResolution },
          ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
          ...{ noPropertyAccessFromIndexSignature: true, isolatedModules: true },
          ...{ skipLibCheck: false, noEmit: true },
        }
        const project = join(cwd, 'node_modules', `${name.replaceAll(' ', '-')}.json`)
        const paths = files.map(file => join(cwd, file))
        await writeFile(project, JSON.stringify({ compilerOptions, files: paths }))
        await run(NODE, [compiler(version), '--project', project], { cwd })
      })
    }
  }
}

test('the README names the oldest TypeScript', async () => {
  const readme = await readFile(new URL('../../client-wasm/README.md', import.meta.url), 'utf8')
  assert.ok(readme.includes(`TypeScript ≥ ${OLDEST}`))
})
