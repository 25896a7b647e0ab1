/**
 * Why a connection cannot be made. Browsers tell a page only that it failed: a wrong path, a page that
 * is not allowed, a proxy in between and a closed port look alike. Asking the server over HTTP tells
 * them apart, as far as a page can know.
 *
 * The finding is reported, and changes nothing about when the client connects.
 */

import type { Fault } from './types.js'

/** How long an answer may take before it counts as none. */
const ANSWER_MS = 10_000

/** What a server says in its header of this name: whether pages of our origin may connect. */
const HEADER = 'indelible-origin'

/** What proxies answer for a server that they do not reach. */
const BEHIND = [502, 503, 504]

interface Place {
  readonly navigator?: { readonly onLine?: boolean }
  readonly location?: { readonly origin?: string }
}

type Found =
  /** An Indelible server is there. */
  | 'welcome'
  | 'refused'
  /** A proxy is there that does not reach the server behind it. */
  | 'gateway'
  /** Something else is there, or something whose answer we may not read. */
  | 'other'
  | 'nothing'

/** Finds out why the WebSocket address `url` cannot be reached; `null`: that cannot be known. */
export async function diagnose(url: string): Promise<Fault | null> {
  if (typeof globalThis.fetch !== 'function') return null
  const place = globalThis as Place
  const http = new URL(url)
  http.protocol = http.protocol.replace(/^ws/, 'http')
  const { search } = http
  http.search = ''
  // `fetch` takes no address with a name and a password.
  http.username = ''
  http.password = ''
  const { origin, pathname } = http
  // A proxy may have the whole server below a path of its own.
  const beside = new URL('healthz', http)
  const root = new URL('/healthz', http)
  let found = await ask(beside, place.location?.origin)
  let ours = found === 'welcome' || found === 'refused'
  let sync = new URL('sync', http).pathname
  if (!ours && beside.href !== root.href) {
    found = await ask(root, place.location?.origin)
    ours = found === 'welcome' || found === 'refused'
    if (ours) sync = '/sync'
  }
  switch (found) {
    case 'welcome':
      if (pathname !== sync) {
        return fault(
          'wrong-path',
          `there is an Indelible server at ${origin}, but not at the path ${pathname}: it takes connections at ${sync}`,
        )
      }
      // What the parameters hold may be secret: only their names are said.
      if (search !== '') {
        return fault(
          'wrong-path',
          `there is an Indelible server at ${origin}, but it takes connections at ${sync} without parameters, and the url has ${namesIn(search)}`,
        )
      }
      return fault(
        'no-upgrade',
        `${origin} answers, but WebSocket connections to it fail: a proxy or filter on the way may not let them pass`,
      )
    case 'refused':
      return fault(
        'origin-refused',
        `the server at ${origin} does not let pages of ${place.location?.origin} connect; started with --allow-origin ${place.location?.origin} it does`,
      )
    case 'gateway':
      return fault(
        'unreachable',
        `a proxy answers at ${origin}, but reaches no server behind it: the server may not be running`,
      )
    case 'other':
      return fault(
        'not-indelible',
        `something answers at ${origin}, but not an Indelible server: the address may be wrong, or a proxy there may not pass /healthz and /sync on`,
      )
    case 'nothing':
      return place.navigator?.onLine === false
        ? fault('no-network', 'this device has no network connection')
        : fault(
            'unreachable',
            `nothing answers at ${origin}: the server may not be running, the address may be wrong, or something on the way or a rule of the page (Content-Security-Policy) may block it`,
          )
  }
}

async function ask(healthz: URL, origin: string | undefined): Promise<Found> {
  if (origin !== undefined) healthz.searchParams.set('origin', origin)
  const readable = await get(healthz, 'cors')
  const said = readable?.headers.get(HEADER)
  if (said === 'welcome' || said === 'refused') return said
  if (readable !== null && BEHIND.includes(readable.status)) return 'gateway'
  // A foreign server lets no page read it; that it is there can be seen all the same.
  return readable !== null || (await get(healthz, 'no-cors')) !== null ? 'other' : 'nothing'
}

async function get(url: URL, mode: 'cors' | 'no-cors'): Promise<Response | null> {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(), ANSWER_MS)
  try {
    return await fetch(url, {
      mode,
      cache: 'no-store',
      credentials: 'omit',
      signal: controller.signal,
    })
  } catch {
    return null
  } finally {
    clearTimeout(timer)
  }
}

function namesIn(search: string): string {
  const names = [...new Set(new URLSearchParams(search).keys())]
  return names.length === 0 ? search : names.join(', ')
}

function fault(code: string, message: string): Fault {
  return { code, message }
}
