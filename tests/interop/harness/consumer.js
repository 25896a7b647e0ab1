/**
 * Projects of people who use the package, with the package installed as they get it: packed.
 *
 * Each has a folder in `consumers/`, and finds its bundler in the folder of these tests.
 */

import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const here = fileURLToPath(new URL('../', import.meta.url))

/** A folder for what tests make; the system's. */
export function scratch() {
  return mkdtemp(join(tmpdir(), 'indelible-interop-'))
}

/**
 * Packs the package as it would be published.
 *
 * @param {string} folder where to
 * @returns {Promise<string>} the tarball
 */
export async function pack(folder) {
  await run('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: join(here, '../../client-wasm'),
  })
  const found = (await readdir(folder)).find(name => name.endsWith('.tgz'))
  if (found === undefined) throw new Error(`npm packed nothing into ${folder}`)
  return join(folder, found)
}

/**
 * Installs the tarball in a consumer, in the place of what was installed there before.
 *
 * @param {string} name
 * @param {string} tarball
 * @returns {Promise<string>} the consumer's folder
 */
export async function install(name, tarball) {
  const cwd = join(here, 'consumers', name)
  await rm(join(cwd, 'node_modules'), { recursive: true, force: true })
  const quiet = ['--silent', '--no-audit', '--no-fund', '--no-save', '--no-package-lock']
  await run('npm', ['install', ...quiet, '--offline', tarball], { cwd })
  return cwd
}

/**
 * Runs a program; its output is in the error when it fails.
 *
 * @param {string} program
 * @param {string[]} words
 * @param {{ cwd: string, env?: Record<string, string> }} options
 * @returns {Promise<string>} what it printed
 */
export async function run(program, words, { cwd, env = {} }) {
  try {
    const { stdout } = await execute(program, words, { cwd, env: { ...process.env, ...env } })
    return stdout
  } catch (error) {
    const { message, stdout } = /** @type {Error & { stdout?: string }} */ (error)
    throw new Error(`${message}\n${stdout ?? ''}`)
  }
}

/** The version of Node that the tests are of, and its path. */
export const NODE = process.execPath

/** Whether the tests may take long. */
export const LONG = process.env.INDELIBLE_LONG !== undefined
