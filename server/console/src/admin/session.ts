/**
 * Who is signed in on this tab.
 *
 * Owns the token (kept for this tab only) and the client that uses it. Invariant: at most one
 * client lives at a time, and a token never outlives signing out.
 */

import { IndelibleClient } from 'indelible'

export interface Session {
  readonly client: IndelibleClient
}

declare global {
  interface Window {
    /** For the console of the developer tools and for tests: the page's own client. */
    indelible?: { readonly client: IndelibleClient }
  }
}

const KEY = 'indelible-token'

export function looksLikeToken(text: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text)
}

export function start(token: string): Session {
  sessionStorage.setItem(KEY, token)
  const client = new IndelibleClient({
    url: new URL('/sync', location.href),
    token: () => token,
    name: 'indelible-admin',
  })
  window.indelible = { client }
  return { client }
}

export function resume(): Session | null {
  const token = sessionStorage.getItem(KEY)
  return token === null ? null : start(token)
}

export function end(session: Session): void {
  sessionStorage.removeItem(KEY)
  delete window.indelible
  session.client.close()
}

/** Whether this server gives out tokens for a mere name: only with `--dev`, on loopback. */
export async function offersNames(): Promise<boolean> {
  try {
    const answer = await fetch('/dev/token', { method: 'OPTIONS' })
    return answer.ok || answer.status === 405
  } catch {
    return false
  }
}

export async function tokenFor(name: string, role: string): Promise<string> {
  const answer = await fetch('/dev/token', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, role }),
  })
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`)
  const { token } = (await answer.json()) as { token: string }
  return token
}
