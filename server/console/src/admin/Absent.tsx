/** Shown in place of an entity that is not here: that it is loading, or why it is not. */

import { type Entity, type IndelibleClient, PolicyError, type SyncStatus } from 'indelible'
import { useState } from 'react'
import { placeOf } from '../form/labels.ts'
import type { Schema } from '../form/schema.ts'
import { reasonOf } from '../form/violations.ts'
import { whyAbsent } from '../live/absent.ts'
import { useLanguage } from '../text/language.tsx'

interface Props {
  readonly client: IndelibleClient
  readonly entity: Entity
  readonly root: Schema
  readonly status: SyncStatus
}

export function Absent({ client, entity, root, status }: Props) {
  const { t } = useLanguage()
  const { error } = status
  if (error === null) {
    return (
      <p className="loading" role="status">
        {t('state.loading')}
      </p>
    )
  }
  const mayUndelete = client.kinds.some(rights => rights.kind === entity.kind && rights.delete)
  return (
    <div className="notice" role="alert" data-absent={error.code}>
      <h1>{t(error.code === 'deleted' ? 'load.deleted' : 'load.failed')}</h1>
      <p>
        {t(whyAbsent(error.code))} <code>{error.code}</code>
      </p>
      {error.code === 'deleted' && mayUndelete && (
        <Undelete client={client} entity={entity} root={root} />
      )}
    </div>
  )
}

function Undelete({ client, entity, root }: Omit<Props, 'status'>) {
  const { t, language } = useLanguage()
  const [busy, setBusy] = useState(false)
  const [refusal, setRefusal] = useState<string | null>(null)
  const undelete = async () => {
    setBusy(true)
    setRefusal(null)
    try {
      await client.undelete(entity.name)
    } catch (error) {
      const [violation] = error instanceof PolicyError ? error.violations : []
      const place = violation && placeOf(entity.kind, violation.pointer, root, language)
      setRefusal(place ? `${place} – ${reasonOf(error, t)}` : reasonOf(error, t))
    }
    setBusy(false)
  }
  return (
    <>
      <button type="button" className="primary" disabled={busy} onClick={() => void undelete()}>
        {t('load.undelete')}
      </button>
      {refusal !== null && <p className="reason">{refusal}</p>}
    </>
  )
}
