/** An open map: values under names that its editors choose. */

import { useState } from 'react'
import { useLanguage } from '../text/language.tsx'
import type { ContainerProps } from './field.ts'
import { Icon } from './icons.tsx'
import { isObject, type Json, objectAt, pointer, read } from './path.ts'
import { ScalarField } from './ScalarField.tsx'
import { controlOf, resolve, type Schema, writeOf } from './schema.ts'
import { useSource } from './source.ts'
import { reasonOf } from './violations.ts'

export function MapFields({ schema, path, write, label, Fields }: ContainerProps) {
  const source = useSource()
  const { t } = useLanguage()
  const [name, setName] = useState('')
  const [reason, setReason] = useState<string | null>(null)
  const additional =
    typeof schema.additionalProperties === 'object' ? schema.additionalProperties : {}
  const valueSchema = resolve(additional, source.root)
  const control = controlOf(valueSchema)
  const found = read(source.value, path)
  const names = isObject(found) ? Object.keys(found) : []

  const change = (edit: (map: Record<string, Json>) => void) => {
    try {
      source.change(draft => edit(objectAt(draft, path)))
      setReason(null)
      setName('')
    } catch (error) {
      setReason(reasonOf(error, t))
    }
  }
  return (
    <fieldset className="section map" data-pointer={pointer(path)}>
      <legend>{label}</legend>
      {schema.description && <p className="help">{schema.description}</p>}
      {names.length === 0 && <p className="empty">{t('list.empty')}</p>}
      <ul>
        {names.map(one => (
          <li key={one}>
            {control === 'object' ? (
              <div className="item">
                <strong>{one}</strong>
                <Fields
                  schema={valueSchema}
                  path={[...path, one]}
                  write={writeOf(valueSchema, write)}
                />
              </div>
            ) : (
              <ScalarField
                schema={valueSchema}
                control={control}
                path={[...path, one]}
                label={one}
                required
              />
            )}
            <button
              type="button"
              className="icon-button"
              aria-label={t('list.remove', { what: one })}
              title={t('list.remove', { what: one })}
              onClick={() => change(map => delete map[one])}
            >
              <Icon name="remove" />
            </button>
          </li>
        ))}
      </ul>
      <div className="map-new">
        <input
          aria-label={`${label}: ${t('map.name')}`}
          placeholder={t('map.name')}
          value={name}
          onChange={event => setName(event.target.value)}
        />
        <button
          type="button"
          className="quiet"
          disabled={name.trim() === '' || names.includes(name.trim())}
          onClick={() => change(map => (map[name.trim()] = emptyOf(valueSchema)))}
        >
          <Icon name="add" /> {t('list.add.short')}
        </button>
      </div>
      {reason !== null && (
        <p className="reason" role="alert">
          {t('field.unsaved', { reason })}
        </p>
      )}
    </fieldset>
  )
}

function emptyOf(schema: Schema): Json {
  if (schema.default !== undefined) return structuredClone(schema.default)
  switch (controlOf(schema)) {
    case 'object':
    case 'map':
      return {}
    case 'number':
      return schema.minimum ?? 0
    case 'checkbox':
      return false
    case 'choice':
      return schema.enum?.[0] ?? ''
    default:
      return ''
  }
}
