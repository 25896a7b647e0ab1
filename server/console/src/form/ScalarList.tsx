/** A list of short values, as chips: add and remove. */

import { type KeyboardEvent, useId, useState } from 'react'
import { useLanguage } from '../text/language.tsx'
import { numberOf, numberText } from '../text/numbers.ts'
import type { FieldProps } from './field.ts'
import { Icon } from './icons.tsx'
import { choiceLabel } from './labels.ts'
import { type Json, listAt, pointer, read } from './path.ts'
import { resolve } from './schema.ts'
import { useSource } from './source.ts'
import { reasonOf } from './violations.ts'

export function ScalarList({ schema, path, label }: FieldProps) {
  const source = useSource()
  const { t, language } = useLanguage()
  const id = useId()
  const [text, setText] = useState('')
  const [reason, setReason] = useState<string | null>(null)
  const found = read(source.value, path)
  const list = Array.isArray(found) ? found : []
  const element = resolve(schema.items ?? {}, source.root)
  const numeric = element.type === 'number' || element.type === 'integer'
  // Where a comma is a part of numbers, it does not end one.
  const isDecimal = numeric && t('decimal.point') === ','
  const shown = (value: Json) => (typeof value === 'number' ? numberText(value, t) : String(value))

  const change = (edit: (list: Json[]) => void): boolean => {
    try {
      source.change(draft => edit(listAt(draft, path)))
      setReason(null)
      return true
    } catch (error) {
      setReason(reasonOf(error, t))
      return false
    }
  }
  const add = (typed: string) => {
    const trimmed = typed.trim()
    if (trimmed === '') return
    const number = numberOf(trimmed)
    if (numeric && number === null) setReason(t('rule.number'))
    else if (change(draft => draft.push(numeric ? (number as number) : trimmed))) setText('')
  }
  const remove = (index: number, value: Json) => {
    change(draft => {
      const at = draft[index] === value ? index : draft.indexOf(value)
      if (at >= 0) draft.splice(at, 1)
    })
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const ends = event.key === 'Enter' || (event.key === ',' && !isDecimal)
    if (!ends) return
    event.preventDefault()
    add(text)
  }
  // Equal values may repeat; only their place differs.
  const chips = list.map((value, index) => ({ key: `${index}-${String(value)}`, value, index }))
  return (
    <div className="field field-list" data-pointer={pointer(path)}>
      <label htmlFor={id}>{label}</label>
      <ul className="chips">
        {chips.map(({ key, value, index }) => (
          <li key={key}>
            {element.enum ? choiceLabel(String(value), language) : shown(value)}
            <button
              type="button"
              aria-label={t('list.remove', { what: shown(value) })}
              onClick={() => remove(index, value)}
            >
              <Icon name="remove" />
            </button>
          </li>
        ))}
        <li className="chip-new">
          {element.enum ? (
            <select id={id} value="" onChange={event => add(event.target.value)}>
              <option value="">{t('list.add.short')}…</option>
              {element.enum
                .filter(choice => !list.includes(choice))
                .map(choice => (
                  <option key={String(choice)} value={String(choice)}>
                    {choiceLabel(String(choice), language)}
                  </option>
                ))}
            </select>
          ) : (
            <input
              id={id}
              value={text}
              placeholder={`${t('list.add.short')}…`}
              onChange={event => setText(event.target.value)}
              onKeyDown={onKeyDown}
              onBlur={() => add(text)}
            />
          )}
        </li>
      </ul>
      {reason !== null && (
        <p className="reason" role="alert">
          {t('field.unsaved', { reason })}
        </p>
      )}
    </div>
  )
}
