/** What another author wrote into a field at the same time, and what happened to the user's value. */

import type { Conflict } from 'indelible'
import { useState } from 'react'
import { useLanguage } from '../text/language.tsx'
import { valueText } from '../text/numbers.ts'
import { choiceLabel } from './labels.ts'
import type { Json } from './path.ts'
import type { Schema } from './schema.ts'
import { useSource } from './source.ts'
import { reasonOf } from './violations.ts'

interface Props {
  /** The field, or the place of an item. */
  readonly at: string
  readonly schema?: Schema
}

export function Beside({ at, schema }: Props) {
  const { conflicts } = useSource()
  const conflict = conflicts?.find(one => one.pointer === at)
  return conflict === undefined ? null : <One conflict={conflict} schema={schema} />
}

interface OneProps {
  readonly conflict: Conflict
  readonly schema: Schema | undefined
}

function One({ conflict, schema }: OneProps) {
  const { t, language } = useLanguage()
  const [reason, setReason] = useState<string | null>(null)
  const isPlace = conflict.pointer.endsWith('/$position')
  const who = conflict.by?.name ?? conflict.by?.id ?? t('conflict.someone')
  const shown = (value: Json | undefined): string => {
    if (value === undefined || value === null || value === '') return t('conflict.empty')
    if (typeof value === 'boolean') return t(value ? 'conflict.yes' : 'conflict.no')
    if (typeof value !== 'string') return valueText(value, t)
    return schema?.enum ? choiceLabel(value, language) : value
  }
  const keep = (which: 'mine' | 'theirs') => {
    try {
      conflict.keep(which)
    } catch (error) {
      setReason(reasonOf(error, t))
    }
  }
  return (
    <div className="beside" role="status" data-conflict={conflict.pointer}>
      <p>{t(isPlace ? 'conflict.moved' : 'conflict.wrote', { who })}</p>
      {!isPlace && (
        <dl>
          <dt>{who}</dt>
          <dd>{shown(conflict.stands as Json | undefined)}</dd>
          <dt>{t('conflict.you')}</dt>
          <dd>{shown(conflict.mine as Json | undefined)}</dd>
        </dl>
      )}
      <div className="actions">
        <button type="button" className="quiet" onClick={() => keep('mine')}>
          {t(isPlace ? 'conflict.keep.place' : 'conflict.keep')}
        </button>
        <button type="button" className="quiet" onClick={() => keep('theirs')}>
          {t('conflict.leave')}
        </button>
      </div>
      {reason !== null && (
        <p className="reason" role="alert">
          {reason}
        </p>
      )}
    </div>
  )
}
