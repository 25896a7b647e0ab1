/**
 * A list of objects that keep their identity: edit, add, remove, reorder by button or by dragging.
 *
 * Every step names items by id, so it does what was meant even if others reordered the list in
 * between.
 */

import { type DragEvent, useRef, useState } from 'react'
import { type Language, useLanguage } from '../text/language.tsx'
import { Beside } from './Beside.tsx'
import type { ContainerProps } from './field.ts'
import { Icon } from './icons.tsx'
import { choiceLabel } from './labels.ts'
import { isObject, type Json, type JsonObject, listAt, pointer, read } from './path.ts'
import { controlOf, resolve, type Schema, writeOf } from './schema.ts'
import { draftSource, SourceProvider, useSource } from './source.ts'
import { problemsOf, reasonOf } from './violations.ts'

function items(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

/** What to call an item: its first text, else its place in the list. */
function nameOf(item: JsonObject, schema: Schema, index: number, language: Language): string {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const value = item[name]
    if (typeof value !== 'string' || value === '') continue
    return property.enum ? choiceLabel(value, language) : value
  }
  return `${index + 1}`
}

/** Puts the item `id` at `index`, wherever it is by now. */
function move(list: Json[], key: string, id: string, index: number): void {
  const from = list.findIndex(item => isObject(item) && item[key] === id)
  const [item] = from < 0 ? [] : list.splice(from, 1)
  if (item !== undefined) list.splice(Math.max(0, Math.min(index, list.length)), 0, item)
}

export function KeyedList({ schema, path, write, label, Fields }: ContainerProps) {
  const source = useSource()
  const { t, language } = useLanguage()
  const [told, setTold] = useState('')
  const [dragged, setDragged] = useState<string | null>(null)
  const [over, setOver] = useState<string | null>(null)
  const [adding, setAdding] = useState(false)
  const key = schema['x-indelible']?.key ?? 'id'
  const itemSchema = resolve(schema.items ?? {}, source.root)
  const shown = withoutKey(itemSchema, key)
  const list = items(read(source.value, path))
  const itemWrite = writeOf(itemSchema, write)
  const rows = isRow(shown)

  const place = (id: string, index: number, what: string) => {
    try {
      source.change(draft => move(listAt(draft, path), key, id, index))
      setTold(t('list.moved', { what, n: index + 1 }))
    } catch (error) {
      setTold(reasonOf(error, t))
    }
  }
  const remove = (id: string) => {
    try {
      source.change(draft => {
        const present = listAt(draft, path)
        const at = present.findIndex(item => isObject(item) && item[key] === id)
        if (at >= 0) present.splice(at, 1)
      })
      setTold('')
    } catch (error) {
      setTold(reasonOf(error, t))
    }
  }

  return (
    <fieldset className={`section keyed${rows ? ' rows' : ''}`} data-pointer={pointer(path)}>
      <legend>{label}</legend>
      {schema.description && <p className="help">{schema.description}</p>}
      {list.length === 0 && !adding && <p className="empty">{t('list.empty')}</p>}
      <ol>
        {list.map((item, index) => {
          const id = String(item[key])
          const what = nameOf(item, shown, index, language)
          return (
            <li
              key={id}
              data-item={id}
              className={over === id && dragged !== id ? 'drop' : undefined}
              onDragOver={event => {
                if (dragged === null) return
                event.preventDefault()
                setOver(id)
              }}
              onDrop={event => {
                event.preventDefault()
                if (dragged !== null && dragged !== id) place(dragged, index, what)
                setDragged(null)
                setOver(null)
              }}
            >
              <Grip
                onStart={() => setDragged(id)}
                onEnd={() => {
                  setDragged(null)
                  setOver(null)
                }}
              />
              <div className="item">
                <Beside at={`${pointer([...path, { key, id }])}/$position`} />
                <Fields schema={shown} path={[...path, { key, id }]} write={itemWrite} />
              </div>
              <div className="moves">
                <MoveButton
                  name="up"
                  what={what}
                  off={index === 0}
                  act={() => place(id, index - 1, what)}
                />
                <MoveButton
                  name="down"
                  what={what}
                  off={index === list.length - 1}
                  act={() => place(id, index + 1, what)}
                />
                <MoveButton name="remove" what={what} off={false} act={() => remove(id)} />
              </div>
            </li>
          )
        })}
      </ol>
      <p className="unseen" role="status">
        {told}
      </p>
      {adding ? (
        <NewItem
          schema={shown}
          path={path}
          write={itemWrite}
          Fields={Fields}
          done={() => setAdding(false)}
        />
      ) : (
        <button type="button" className="quiet" onClick={() => setAdding(true)}>
          <Icon name="add" /> {t('list.add.short')}
          <span className="unseen"> ({label})</span>
        </button>
      )}
    </fieldset>
  )
}

function withoutKey(schema: Schema, key: string): Schema {
  const { [key]: _, ...properties } = schema.properties ?? {}
  return { ...schema, properties }
}

/** Few short fields fit on one line. */
function isRow(schema: Schema): boolean {
  const properties = Object.values(schema.properties ?? {})
  const short = ['line', 'choice', 'number', 'checkbox', 'date']
  return properties.length <= 4 && properties.every(one => short.includes(controlOf(one)))
}

function Grip({ onStart, onEnd }: { onStart: () => void; onEnd: () => void }) {
  const { t } = useLanguage()
  const grip = useRef<HTMLSpanElement>(null)
  const start = (event: DragEvent) => {
    const row = grip.current?.closest('li')
    event.dataTransfer.effectAllowed = 'move'
    if (row) event.dataTransfer.setDragImage(row, 12, 12)
    onStart()
  }
  return (
    <span
      className="grip"
      ref={grip}
      draggable
      aria-hidden="true"
      title={t('list.drag')}
      onDragStart={start}
      onDragEnd={onEnd}
    >
      <Icon name="grip" />
    </span>
  )
}

interface MoveProps {
  readonly name: 'up' | 'down' | 'remove'
  readonly what: string
  /** Shown as impossible, but it keeps the focus: a moved item may come to the end of the list. */
  readonly off: boolean
  readonly act: () => void
}

function MoveButton({ name, what, off, act }: MoveProps) {
  const { t } = useLanguage()
  const label = t(`list.${name}`, { what })
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={label}
      title={label}
      aria-disabled={off}
      onClick={() => !off && act()}
    >
      <Icon name={name} />
    </button>
  )
}

interface NewItemProps extends Pick<ContainerProps, 'schema' | 'path' | 'write' | 'Fields'> {
  readonly done: () => void
}

function NewItem({ schema, path, write, Fields, done }: NewItemProps) {
  const source = useSource()
  const { t } = useLanguage()
  const [value, setValue] = useState<JsonObject>({})
  const [error, setError] = useState<unknown>(null)
  const add = () => {
    try {
      source.change(draft => {
        listAt(draft, path).push(structuredClone(value))
      })
      done()
    } catch (refusal) {
      reasonOf(refusal, t)
      setError(refusal)
    }
  }
  // Labels of the item's fields are looked up below the list.
  const kind = [source.kind, ...path.filter(step => typeof step === 'string')].join('/')
  const draft = draftSource({ ...source, kind }, value, setValue)
  return (
    <fieldset
      className="new-item"
      aria-label={t('list.add.short')}
      onKeyDown={event => {
        if (event.key === 'Escape') done()
        if (event.key === 'Enter' && event.target instanceof HTMLInputElement) {
          event.preventDefault()
          add()
        }
      }}
    >
      <SourceProvider value={{ ...draft, problems: problemsOf(error, t) }}>
        <Fields schema={schema} path={[]} write={write} />
      </SourceProvider>
      {error !== null && (
        <p className="reason" role="alert">
          {reasonOf(error, t)}
        </p>
      )}
      <div className="actions">
        <button type="button" className="primary" onClick={add}>
          {t('list.add.short')}
        </button>
        <button type="button" className="quiet" onClick={done}>
          {t('list.cancel')}
        </button>
      </div>
    </fieldset>
  )
}
