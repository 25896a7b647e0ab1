/** Whether there is a connection; if not, why, when it is tried again, and a button to try at once. */

import type { Fault, IndelibleClient } from 'indelible'
import { useEffect, useLayoutEffect, useState } from 'react'
import { useLanguage } from '../text/language.tsx'
import { en, type Text } from '../text/messages.ts'
import { useClientStatus } from './hooks.ts'

export function ConnectionSign({ client }: { client: IndelibleClient }) {
  const { t } = useLanguage()
  const { state } = useClientStatus(client)
  const connection = state === 'offline' || state === 'connecting' ? state : 'online'
  return (
    <span className="connection" data-connection={connection} role="status">
      {t(`state.${connection}`)}
    </span>
  )
}

/** How long connecting may take before the page says that there is no connection. */
const PATIENCE_MS = 1_000

/** Nothing while all is well. */
export function Trouble({ client }: { client: IndelibleClient }) {
  const { state, error } = useClientStatus(client)
  const connected = state !== 'offline' && state !== 'connecting'
  const outage = useOutage(!connected, client.retryAt !== null)
  if (error === null && !outage) return null
  return <Box client={client} error={error} state={connected ? 'online' : state} />
}

interface BoxProps {
  readonly client: IndelibleClient
  readonly error: Fault | null
  readonly state: 'online' | 'offline' | 'connecting'
}

function Box({ client, error, state }: BoxProps) {
  const { t } = useLanguage()
  const { retryAt } = client
  const seconds = useSecondsUntil(state === 'offline' ? retryAt : null)
  // It takes room from the bottom of the window: what is typed in must not end up behind it.
  useLayoutEffect(() => {
    const { activeElement } = document
    if (activeElement?.closest('.workspace')) activeElement.scrollIntoView({ block: 'nearest' })
  }, [])
  const key = `trouble.${error?.code}`
  const next =
    state === 'connecting'
      ? t('trouble.trying')
      : retryAt === null
        ? ''
        : t('trouble.next', { n: seconds })
  return (
    <div className="trouble" role="status" data-trouble={error?.code ?? ''}>
      <p>
        <span>{isText(key) ? t(key, values()) : t('trouble.none')}</span>{' '}
        {error !== null && <code>{error.code}</code>}
      </p>
      {state !== 'online' && (
        <p>
          {/* Read out once, not every second. */}
          <span aria-hidden="true">{next}</span>{' '}
          <button type="button" className="quiet" onClick={() => client.retry()}>
            {t('trouble.now')}
          </button>
        </p>
      )}
    </div>
  )
}

/**
 * Whether there is no connection for longer than the moment that connecting takes: since the last one,
 * a wait for the next attempt has begun, or an attempt takes long.
 */
function useOutage(disconnected: boolean, waits: boolean): boolean {
  const [lasting, setLasting] = useState(false)
  useEffect(() => {
    if (!disconnected) setLasting(false)
    else if (waits) setLasting(true)
    else {
      const timer = setTimeout(() => setLasting(true), PATIENCE_MS)
      return () => clearTimeout(timer)
    }
  }, [disconnected, waits])
  return disconnected && (waits || lasting)
}

function values() {
  return { origin: location.origin }
}

function isText(key: string): key is Text {
  return Object.hasOwn(en, key)
}

function useSecondsUntil(at: number | null): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    if (at === null) return
    setNow(Date.now())
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [at])
  return at === null ? 0 : Math.max(Math.ceil((at - now) / 1_000), 0)
}
