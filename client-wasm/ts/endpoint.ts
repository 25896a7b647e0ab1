/** Where a connection goes: the option `url`, completed and checked. */

import { because, kindOf, quoted } from './arguments.js'
import { IndelibleError } from './errors.js'
import type { UrlLike } from './types.js'

const EXAMPLE = 'such as wss://example.org/sync'

/**
 * The URL of the socket. In a page, or a worker, `given` may be relative to its address.
 *
 * Throws an `IndelibleError` with the code `url` for anything that is not a URL of a server. Programs
 * are written in JavaScript too, so anything may be given.
 */
export function endpoint(given: string | UrlLike): string {
  const text = textOf(given)
  const url = completed(text)
  url.protocol = url.protocol.replace(/^http/, 'ws')
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') {
    const found = quoted(text)
    throw unusable(`the url ${found} must begin with ws:, wss:, http: or https:, ${EXAMPLE}`)
  }
  if (url.pathname === '/') url.pathname = '/sync'
  url.hash = ''
  return url.href
}

function textOf(given: unknown): string {
  const href = hrefOf(given)
  if (href === undefined || href === null || href === '') {
    throw unusable(`the option url is missing: give the address of the server, ${EXAMPLE}`)
  }
  if (typeof href === 'string') return href
  throw unusable(`the option url must be a text or a URL, not ${kindOf(href)}: ${EXAMPLE}`)
}

function hrefOf(given: unknown): unknown {
  if (typeof given !== 'object' || given === null || !('href' in given)) return given
  try {
    return given.href
  } catch (error) {
    throw unusable(`the option url could not be read${because(error)}`)
  }
}

function completed(text: string): URL {
  const { location } = globalThis as { location?: { readonly href: string } }
  try {
    return new URL(text, location?.href)
  } catch {
    const found = quoted(text)
    // With a base, only a malformed URL fails.
    const wrong = /^[a-z][a-z\d+.-]*:/i.test(text)
    throw unusable(
      wrong
        ? `the url ${found} is not valid: give one ${EXAMPLE}`
        : `the url ${found} is relative, and there is no page here that it could be relative to: ` +
            `give a whole one, ${EXAMPLE}`,
    )
  }
}

function unusable(message: string): IndelibleError {
  return new IndelibleError('url', message)
}
