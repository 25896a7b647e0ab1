/** What the server did not take of a user's edits, with the values, so that they can be copied. */

import { type Dropped, type Entity, IndelibleError, PolicyError, type SyncStatus } from 'indelible'
import { useState } from 'react'
import { placeOf } from '../form/labels.ts'
import type { Schema } from '../form/schema.ts'
import { reasonOf, whyLost } from '../form/violations.ts'
import { useGuard } from '../live/guard.ts'
import { type Translate, useLanguage } from '../text/language.tsx'
import { numberText } from '../text/numbers.ts'
import { dismiss, NOTHING, readable, tell } from './lost.ts'

interface Props {
  readonly entity: Entity
  readonly root: Schema
  readonly status: SyncStatus
  /** Whether what was lost could be written again now. */
  readonly mayWrite: boolean
}

export function Lost({ entity, root, status, mayWrite }: Props) {
  const { t } = useLanguage()
  const [kept, setKept] = useState(NOTHING)
  const lost = tell(kept, status.dropped)
  if (lost !== kept) setKept(lost)
  const shown = readable(lost)
  useGuard(shown.length > 0)
  if (shown.length === 0) return null
  return (
    <div className="notice lost" role="alert">
      <p>{t('lost.lead')}</p>
      <ul>
        {[...shown.entries()].map(([nth, dropped]) => (
          <One
            key={`${nth} ${dropped.pointer}`}
            entity={entity}
            root={root}
            dropped={dropped}
            mayWrite={mayWrite}
          />
        ))}
      </ul>
      <button type="button" className="quiet" onClick={() => setKept(dismiss(lost))}>
        {t('lost.seen')}
      </button>
    </div>
  )
}

type OneProps = Omit<Props, 'status'> & { readonly dropped: Dropped }

function One({ entity, root, dropped, mayWrite }: OneProps) {
  const { t, language } = useLanguage()
  const [copied, setCopied] = useState(false)
  const [back, setBack] = useState(false)
  const [refusal, setRefusal] = useState<string | null>(null)
  const value = textOf(dropped, t)
  const bringBack = () => {
    try {
      entity.bringBack(dropped)
      setBack(true)
      setRefusal(null)
    } catch (error) {
      if (error instanceof PolicyError) setRefusal(reasonOf(error, t))
      else if (error instanceof IndelibleError) setRefusal(t('lost.only-copy'))
      else throw error
    }
  }
  const place = dropped.pointer.replace(/\/\$(position|deleted)$/, '')
  return (
    <li data-lost={dropped.pointer}>
      <strong>{placeOf(entity.kind, place, root, language)}</strong>
      {' – '}
      {whyLost(dropped, t)}
      {value === null ? (
        <p className="help">{actionOf(dropped, t)}</p>
      ) : (
        <div className="lost-value">
          <pre>{value}</pre>
          <button
            type="button"
            className="quiet"
            onClick={() => void navigator.clipboard?.writeText(value).then(() => setCopied(true))}
          >
            {t(copied ? 'lost.copied' : 'lost.copy')}
          </button>
          {mayWrite && (
            <button type="button" className="quiet" disabled={back} onClick={bringBack}>
              {t(back ? 'lost.is-back' : 'lost.bring-back')}
            </button>
          )}
          {refusal !== null && <p className="reason">{refusal}</p>}
        </div>
      )}
    </li>
  )
}

/** What was written, to be read and typed again; null where that was no value. */
function textOf({ pointer, attempted, text }: Dropped, t: Translate): string | null {
  if (text !== undefined) return text
  if (attempted === undefined || /\/\$(position|deleted)$/.test(pointer)) return null
  if (typeof attempted === 'number') return numberText(attempted, t)
  return typeof attempted === 'string' ? attempted : JSON.stringify(attempted, null, 2)
}

function actionOf({ pointer }: Dropped, t: Translate): string {
  return t(pointer.endsWith('/$position') ? 'lost.order' : 'lost.removal')
}
