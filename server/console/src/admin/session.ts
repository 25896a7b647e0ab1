/**
 * Who is signed in on this tab.
 *
 * Owns the token (kept for this tab only) and the client that uses it. There is at most one client at
 * a time, and a token never outlives signing out.
 */

import { IndelibleClient } from 'indelible'
import { holdsMore } from '../live/guard.ts'
import { keep, recall } from '../text/kept.ts'
import type { Text } from '../text/messages.ts'

export interface Session {
  readonly client: IndelibleClient
  /** Presented at every connection; a later one of the same person may replace it. */
  token: string
  /** Whether the server has let this token in since it was pasted, asked for or read back. */
  accepted: boolean
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
  keep('sessionStorage', KEY, token)
  const client = new IndelibleClient({
    url: new URL('/sync', location.href),
    token: () => session.token,
    name: 'indelible-admin',
  })
  const session: Session = { client, token, accepted: false }
  client.subscribe(({ state }) => {
    if (state !== 'offline' && state !== 'connecting') session.accepted = true
  })
  window.indelible = { client }
  return session
}

/** Asks whether edits that are not saved may be lost. */
export type Ask = () => Promise<boolean>

/**
 * Continues with a fresh token. Only the same person gets the client with its unsaved edits; for
 * anyone else a new session begins, unless those edits are to be kept.
 */
export async function renew(session: Session, token: string, ask: Ask): Promise<Session> {
  if (subjectOf(token) === subjectOf(session.token)) {
    keep('sessionStorage', KEY, token)
    session.token = token
    session.accepted = false
    session.client.connect()
    return session
  }
  return (await end(session, ask)) ? start(token) : session
}

/** Whom a token is for. The server checks it; this does not. */
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
  const token = recall('sessionStorage', KEY)
  return token === null ? null : start(token)
}

/** Signs out, unless there is something to be saved first. */
export async function end({ client }: Session, ask: Ask): Promise<boolean> {
  // What was lost and has been dismissed is not a reason to ask.
  if ((client.status.pending > 0 || holdsMore()) && !(await ask())) return false
  await client.signOut({ pending: 'discard' })
  keep('sessionStorage', KEY, null)
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

/** Why there is no token: a sentence of ours, and what a report of it should name. */
export class SignInError extends Error {
  readonly text: Text
  readonly code: string

  constructor(text: Text, code: string) {
    super(`${text} (${code})`)
    this.text = text
    this.code = code
  }
}

/** @throws {SignInError} */
export async function tokenFor(name: string, role: string): Promise<string> {
  const request = fetch('/dev/token', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, role }),
  })
  const answer = await request.catch(() => {
    throw new SignInError('trouble.unreachable', 'unreachable')
  })
  const said = await bodyOf(answer)
  if (answer.ok && typeof said.token === 'string') return said.token
  throw refusal(answer.status, said.code)
}

/** What an answer says; nothing if it is not JSON, as a proxy's may be. */
async function bodyOf(answer: Response): Promise<{ token?: unknown; code?: unknown }> {
  try {
    return Object(await answer.json())
  } catch {
    return {}
  }
}

/** What it means that no token came: the server names its reasons, others only have a status. */
function refusal(status: number, code: unknown): SignInError {
  if (typeof code !== 'string') return new SignInError('trouble.not-indelible', String(status))
  // This is how the server hides names from all that is not surely on its own machine.
  if (code === 'not-found') return new SignInError('sign-in.elsewhere', `${status} ${code}`)
  return new SignInError('sign-in.refused', `${status} ${code}`)
}
