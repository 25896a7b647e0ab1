/** A protected field: its value to read, a lock, and why it is locked. */

import { type Language, localeOf, useLanguage } from '../text/language.tsx'
import { choiceLabel } from './labels.ts'
import { isObject, type Json, type Path, pointer, read } from './path.ts'
import type { Lock, Schema } from './schema.ts'
import { useSource } from './source.ts'

interface Props {
  readonly schema: Schema
  readonly path: Path
  readonly label: string
  readonly lock: Lock
}

export function LockedField({ schema, path, label, lock }: Props) {
  const source = useSource()
  const { t, language } = useLanguage()
  const value = read(source.value, path)
  const why =
    lock.why === 'roles' ? t('lock.roles', { roles: lock.roles.join(', ') }) : t(`lock.${lock.why}`)
  return (
    <div className="locked-field" data-pointer={pointer(path)}>
      <dt>{label}</dt>
      <dd>
        <output className="locked-value">{show(value, schema, language) || t('field.none')}</output>
        <span className="why">{why}</span>
      </dd>
    </div>
  )
}

function show(value: Json | undefined, schema: Schema, language: Language): string {
  if (value === undefined || value === null) return ''
  if (Array.isArray(value)) return value.map(one => show(one, {}, language)).join(', ')
  if (isObject(value)) {
    return Object.values(value)
      .map(one => show(one, {}, language))
      .filter(Boolean)
      .join(', ')
  }
  if (typeof value === 'boolean') return value ? '✓' : '–'
  if (typeof value !== 'string')
    return value.toLocaleString(localeOf(language), { maximumFractionDigits: 20 })
  const stamp = schema['x-indelible']?.stamp
  if (schema.format === 'date-time' || stamp?.endsWith('-at')) {
    return new Date(value).toLocaleString(localeOf(language), {
      dateStyle: 'medium',
      timeStyle: 'short',
    })
  }
  if (schema.format === 'date') {
    return new Date(value).toLocaleDateString(localeOf(language), {
      dateStyle: 'long',
      timeZone: 'UTC',
    })
  }
  return schema.enum ? choiceLabel(value, language) : value
}
