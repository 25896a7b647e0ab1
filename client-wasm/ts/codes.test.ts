// Guards against codes that no page explains. The sources are searched for what they name.

import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

function sources(folder: string, ending: RegExp): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => ending.test(name) && !/\.test\.ts$|^(testing|wasm)/.test(name))
    .map(name => readFileSync(`${folder}/${name}`, 'utf8'))
    .join('\n')
}

function found(text: string, ...patterns: readonly RegExp[]): Set<string> {
  return new Set(patterns.flatMap(one => [...text.matchAll(one)].map(match => String(match[1]))))
}

/** The codes in the first column of a table below a heading. */
function table(page: string, heading: string): Set<string> {
  const [, section = ''] = readFileSync(page, 'utf8').split(`# ${heading}\n`)
  const [own = ''] = section.split(/^#/m)
  const cells = [...own.matchAll(/^\| (`[^|]+) \|/gm)].map(match => String(match[1]))
  return new Set(
    cells.flatMap(cell => [...cell.matchAll(/`([a-z-]+)`/g)].map(one => String(one[1]))),
  )
}

const IN_TYPESCRIPT = [
  /IndelibleError\(\s*'([a-z-]+)'/g,
  /\bfault\(\s*'([a-z-]+)'/g,
  /\bcode: '([a-z-]+)'/g,
  /super\('([a-z-]+)'/g,
]

const IN_RUST = [
  /Fault::new\(\s*"([a-z-]+)"/g,
  /Self::\w+(?:\(_\)| \{ \.\. \})? => "([a-z-]+)"/g,
  /const (?:NOT_FOUND|NO_TOKEN): &str = "([a-z-]+)"/g,
  /Self::new\("([a-z-]+)"/g,
]

const connecting = table('../docs/operations.md', 'Why a page cannot connect')
const others = table('README.md', 'Codes')

test('every code of the client is explained, and every code that is explained exists', () => {
  const code = found(sources('ts', /\.ts$/), ...IN_TYPESCRIPT)
  for (const one of found(sources('src', /\.rs$/), ...IN_RUST)) code.add(one)
  code.add('policy')
  expect(code.size).toBeGreaterThan(30)
  expect([...code].sort()).toEqual([...new Set([...connecting, ...others])].sort())
})

test('what keeps a client from connecting is in the table of that', () => {
  const files = ['connection', 'diagnosis', 'endpoint']
  const text = files.map(name => readFileSync(`ts/${name}.ts`, 'utf8')).join('\n')
  const codes = found(text, ...IN_TYPESCRIPT)
  expect(codes.size).toBeGreaterThan(10)
  expect([...codes].filter(code => !connecting.has(code))).toEqual([])
  expect(connecting).toContain('wasm')
})
