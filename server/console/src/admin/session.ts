/**
 * Who is signed in on this tab.
 *
 * Owns the token (kept for this tab only) and the client that uses it. Invariant: at most one
 * client lives at a time, and a token never outlives signing out.
 */

import { IndelibleClient } from 'indelible'
import { holdsMore } from '../live/guard.ts'

export interface Session {
  readonly client: IndelibleClient
  /** Shown at every connection; another one of the same person may take its place. */
  token: string
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
    token: () => session.token,
    name: 'indelible-admin',
  })
  const session: Session = { client, token }
  window.indelible = { client }
  return session
}

/** Asks whether edits that are not saved may be lost. */
export type Ask = () => Promise<boolean>

/**
 * Goes on with a fresh token. Only the same person gets the client with its unsaved edits; for
 * anybody else a new session begins, unless those edits are to be kept.
 */
export async function renew(session: Session, token: string, ask: Ask): Promise<Session> {
  if (subjectOf(token) === subjectOf(session.token)) {
    sessionStorage.setItem(KEY, token)
    session.token = token
    session.client.connect()
    return session
  }
  return (await end(session, ask)) ? start(token) : session
}

/** Whom a token is for; not checked here, the server does that. */
function subjectOf(token: string): unknown {
  const [, claims = ''] = token.split('.')
  try {
    const bytes = Uint8Array.from(atob(claims.replaceAll('-', '+').replaceAll('_', '/')), char =>
      char.charCodeAt(0),
    )
    return (JSON.parse(new TextDecoder().decode(bytes)) as { sub?: unknown }).sub
  } catch {
    return token
  }
}

export function resume(): Session | null {
  const token = sessionStorage.getItem(KEY)
  return token === null ? null : start(token)
}

/** Signs out, unless there is something to be saved first. */
export async function end({ client }: Session, ask: Ask): Promise<boolean> {
  // What was lost and has been seen is no reason to ask.
  if ((client.status.pending > 0 || holdsMore()) && !(await ask())) return false
  await client.signOut({ pending: 'discard' })
  sessionStorage.removeItem(KEY)
  delete window.indelible
  return true
}

/** Whether this server gives out tokens for a mere name: only with `--dev`, on loopback. */
export async function offersNames(): Promise<boolean> {
  try {
    // The route takes POST only, so what is there says so, and what is not is not found.
    const answer = await fetch('/dev/token', { method: 'HEAD' })
    return answer.status === 405
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
