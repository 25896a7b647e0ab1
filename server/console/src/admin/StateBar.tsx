/** How far an entity is in step with the server, and what the server refused. */

import type { Dropped, SyncStatus, Violation } from 'indelible'
import { useState } from 'react'
import { placeOf } from '../form/labels.ts'
import type { Schema } from '../form/schema.ts'
import { explain } from '../form/violations.ts'
import { type Language, localeOf, type Translate, useLanguage } from '../text/language.tsx'
import type { Text } from '../text/messages.ts'

function sentence(status: SyncStatus, language: Language, t: Translate): string {
  const n = status.pending
  switch (status.state) {
    case 'connecting':
      return n > 0 ? t('state.connecting.n', { n }) : t('state.connecting')
    case 'offline':
      return n > 0 ? t('state.offline.n', { n }) : t('state.offline')
    case 'refused':
      return t(lossOf(status))
    case 'gone':
    case 'no-access':
      return t('state.absent')
    case 'syncing':
      return n > 1 ? t('state.saving.n', { n }) : t('state.saving')
    case 'synced':
      return status.lastSyncTime === null
        ? t('state.saved')
        : t('state.saved.at', {
            time: new Date(status.lastSyncTime).toLocaleTimeString(localeOf(language), {
              timeStyle: 'medium',
            }),
          })
  }
}

/** How something was lost: because others deleted its place, or the server went back, if that is all. */
function lossOf({ dropped }: SyncStatus): Text {
  const all = (reason: Dropped['reason']) =>
    dropped.length > 0 && dropped.every(one => one.reason === reason)
  if (all('gone')) return 'state.lost'
  return all('forgotten') ? 'state.forgotten' : 'state.refused'
}

export function StateLine({ status }: { status: SyncStatus }) {
  const { t, language } = useLanguage()
  return (
    <p className="state" role="status" data-state={status.state} data-pending={status.pending}>
      {sentence(status, language, t)}
    </p>
  )
}

interface RefusalProps {
  readonly kind: string
  readonly root: Schema
  readonly status: SyncStatus
}

export function Refusal({ kind, root, status }: RefusalProps) {
  const { t } = useLanguage()
  const [dismissed, setDismissed] = useState<readonly Violation[] | null>(null)
  const { violations } = status
  if (violations.length === 0 || violations === dismissed) return null
  return (
    <div className="refusal" role="alert">
      <p>{t('state.refused.lead')}</p>
      <Violations kind={kind} root={root} violations={violations} />
      <button type="button" className="quiet" onClick={() => setDismissed(violations)}>
        {t('dismiss')}
      </button>
    </div>
  )
}

interface ViolationsProps {
  readonly kind: string
  readonly root: Schema
  readonly violations: readonly Violation[]
}

export function Violations({ kind, root, violations }: ViolationsProps) {
  const { t, language } = useLanguage()
  return (
    <ul className="violations">
      {violations.map(violation => (
        <li key={`${violation.change} ${violation.pointer} ${violation.rule}`}>
          <strong>{placeOf(kind, violation.pointer, root, language)}</strong>
          {' – '}
          {explain(violation, t)}
        </li>
      ))}
    </ul>
  )
}
