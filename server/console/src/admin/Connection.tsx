/** Whether there is a connection; if not, why, until when it is waited, and a way not to wait. */

import type { Fault, IndelibleClient } from 'indelible'
import { useEffect, useLayoutEffect, useState } from 'react'
import { useClientStatus } from '../live/hooks.ts'
import { useLanguage } from '../text/language.tsx'
import { en, type Text } from '../text/messages.ts'

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

/** Nothing while all is well. */
export function Trouble({ client }: { client: IndelibleClient }) {
  const { state, error } = useClientStatus(client)
  const { retryAt } = client
  const connected = state !== 'offline' && state !== 'connecting'
  if (error === null && (connected || retryAt === null)) return null
  return <Box client={client} error={error} waitsUntil={connected ? null : retryAt} />
}

interface BoxProps {
  readonly client: IndelibleClient
  readonly error: Fault | null
  readonly waitsUntil: number | null
}

function Box({ client, error, waitsUntil }: BoxProps) {
  const { t } = useLanguage()
  const seconds = useSecondsUntil(waitsUntil)
  // It takes room from the bottom of the window: what is typed in must not end up behind it.
  useLayoutEffect(() => {
    const { activeElement } = document
    if (activeElement?.closest('.workspace')) activeElement.scrollIntoView({ block: 'nearest' })
  }, [])
  const key = `trouble.${error?.code}`
  return (
    <div className="trouble" role="status" data-trouble={error?.code ?? ''}>
      <p>
        {error === null ? t('trouble.none') : isText(key) ? t(key, values()) : error.message}{' '}
        {error !== null && <code>{error.code}</code>}
      </p>
      {waitsUntil !== null && (
        <p>
          {/* Read out once, not every second. */}
          <span aria-hidden="true">{t('trouble.next', { n: seconds })}</span>{' '}
          <button type="button" className="quiet" onClick={() => client.retry()}>
            {t('trouble.now')}
          </button>
        </p>
      )}
    </div>
  )
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
