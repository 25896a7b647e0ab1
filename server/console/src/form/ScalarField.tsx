/**
 * One value in one control: line, text, number, date, choice or checkbox.
 *
 * Every accepted keystroke is in the entity at once. What the policy does not accept stays visible in
 * the box with the reason, and the entity stays as it was.
 */

import { useId, useState } from 'react'
import { useGuard } from '../live/guard.ts'
import { type Translate, useLanguage } from '../text/language.tsx'
import { numberOf, numberText } from '../text/numbers.ts'
import { Beside } from './Beside.tsx'
import { Icon } from './icons.tsx'
import { choiceLabel } from './labels.ts'
import { type Json, type Path, pointer, read, write } from './path.ts'
import type { Control, Schema } from './schema.ts'
import { useSource } from './source.ts'
import { SharedText, TextControl } from './TextControl.tsx'
import { reasonOf } from './violations.ts'

interface Props {
  readonly schema: Schema
  readonly control: Control
  readonly path: Path
  readonly label: string
  readonly required: boolean
  /** Can be written now and never again. */
  readonly once?: boolean
}

interface Unaccepted {
  readonly text: string
  readonly reason: string
}

type Parsed =
  | { readonly value: Json | undefined }
  | { readonly reason: 'rule.number' | 'rule.json' }

function parse(text: string, control: Control, required: boolean): Parsed {
  if (control === 'text') return { value: text }
  if (text === '' && !required) return { value: undefined }
  if (control === 'number') {
    const number = numberOf(text)
    return number === null ? { reason: 'rule.number' } : { value: number }
  }
  if (control === 'json') {
    try {
      return { value: JSON.parse(text) as Json }
    } catch {
      return { reason: 'rule.json' }
    }
  }
  return { value: text }
}

function textOf(value: Json | undefined, control: Control, t: Translate): string {
  if (value === undefined || value === null) return ''
  if (control === 'json') return JSON.stringify(value, null, 2)
  if (typeof value === 'number' && control === 'number') return numberText(value, t)
  return typeof value === 'string' ? value : String(value)
}

export function ScalarField({ schema, control, path, label, required, once = false }: Props) {
  const source = useSource()
  const { t, language } = useLanguage()
  const id = useId()
  const [unaccepted, setUnaccepted] = useState<Unaccepted | null>(null)
  /** Counts how often typed text has been dropped: each time the box starts over. */
  const [drops, setDrops] = useState(0)
  useGuard(unaccepted !== null)
  const value = read(source.value, path)
  const text = unaccepted?.text ?? textOf(value, control, t)
  const reason = unaccepted?.reason ?? source.problems?.get(pointer(path))
  const reasonId = `${id}-reason`
  const helpId = `${id}-help`
  const formId = `${id}-form`

  const put = (next: Json | undefined, typed: string) => {
    try {
      source.change(draft => write(draft, path, next))
      setUnaccepted(null)
    } catch (error) {
      setUnaccepted({ text: typed, reason: reasonOf(error, t) })
    }
  }
  const take = (typed: string) => {
    const parsed = parse(typed, control, required)
    if ('reason' in parsed) setUnaccepted({ text: typed, reason: t(parsed.reason) })
    else put(parsed.value, typed)
  }

  const drop = () => {
    if (unaccepted !== null) setDrops(drops + 1)
    setUnaccepted(null)
  }
  const tell = (error: Error | null, typed: string) => {
    setUnaccepted(error === null ? null : { text: typed, reason: reasonOf(error, t) })
  }

  const described = [
    reason && reasonId,
    reason && showsForm(schema) && formId,
    schema.description && helpId,
  ]
    .filter(Boolean)
    .join(' ')
  const shared = {
    id,
    name: pointer(path),
    'aria-invalid': reason !== undefined,
    'aria-required': required,
    ...(described && { 'aria-describedby': described }),
    onKeyDown: (event: { key: string }) => {
      if (event.key === 'Escape') drop()
    },
  }

  return (
    <div className={`field field-${control}`} data-pointer={pointer(path)}>
      <label htmlFor={id}>
        {label}
        {!required && control !== 'checkbox' && (
          <span className="optional"> {t('field.optional')}</span>
        )}
      </label>
      {control === 'choice' ? (
        <select {...shared} value={text} onChange={event => take(event.target.value)}>
          {(!required || text === '') && <option value="">{t('field.choose')}</option>}
          {schema.enum?.map(choice => (
            <option key={String(choice)} value={String(choice)}>
              {choiceLabel(String(choice), language)}
            </option>
          ))}
        </select>
      ) : control === 'checkbox' ? (
        <input
          {...shared}
          type="checkbox"
          checked={(value ?? schema.default) === true}
          onChange={event => put(event.target.checked, '')}
        />
      ) : control === 'date' || control === 'colour' ? (
        <input
          {...shared}
          type={control === 'date' ? 'date' : 'color'}
          value={text}
          onChange={event => take(event.target.value)}
        />
      ) : control === 'text' && source.entity ? (
        <SharedText
          {...shared}
          key={drops}
          entity={source.entity}
          pointer={pointer(path)}
          onRefused={tell}
          spellCheck
          autoComplete="off"
          rows={rowsFor(text, schema.maxLength)}
        />
      ) : (
        <TextControl
          {...shared}
          text={text}
          onText={take}
          multiline={control === 'text' || control === 'json'}
          spellCheck={control === 'text'}
          autoComplete="off"
          {...inputMode(schema, control)}
          {...(control === 'text' && { rows: rowsFor(text, schema.maxLength) })}
        />
      )}
      {schema.description && (
        <p className="help" id={helpId}>
          {schema.description}
        </p>
      )}
      {once && (
        <p className="help">
          <Icon name="lock" /> {t('field.once')}
        </p>
      )}
      <Beside at={pointer(path)} schema={schema} />
      {reason !== undefined && (
        <p className="reason" id={reasonId} role="alert">
          {unaccepted ? t('field.unsaved', { reason }) : reason}
          {unaccepted && !source.isNew && (
            <button type="button" className="link" onClick={drop}>
              {t('field.revert')}
            </button>
          )}
        </p>
      )}
      {reason !== undefined && showsForm(schema) && (
        <p className="help" id={formId}>
          <ExpectedForm schema={schema} />
        </p>
      )}
    </div>
  )
}

function exampleOf({ examples }: Schema): string | undefined {
  return examples?.find(one => typeof one === 'string')
}

/** Whether a pattern needs more words than the description, which is shown already. */
function showsForm(schema: Schema): boolean {
  const described = schema.description !== undefined && exampleOf(schema) === undefined
  return schema.pattern !== undefined && !described
}

/** What a text with a pattern looks like: an example at best, the pattern itself at worst. */
function ExpectedForm({ schema }: { schema: Schema }) {
  const { t } = useLanguage()
  const example = exampleOf(schema)
  if (example !== undefined) return t('field.example', { example })
  return (
    <>
      {t('field.pattern')} <code>{schema.pattern}</code>
    </>
  )
}

/** A text that may become long has room to grow; a short one looks like a line until it is not. */
function rowsFor(text: string, maxLength = Number.POSITIVE_INFINITY): number {
  const lines = text.split('\n').reduce((sum, line) => sum + Math.ceil((line.length + 1) / 78), 0)
  return maxLength <= 240 ? lines : Math.min(14, Math.max(3, lines + 1))
}

function inputMode(schema: Schema, control: Control) {
  if (control === 'number') return { inputMode: 'decimal' } as const
  if (schema.format === 'email') return { inputMode: 'email' } as const
  if (schema.format === 'uri') return { inputMode: 'url' } as const
  return {}
}
