/** The entities of one kind: find one, edit one, add one. */

import { type IndelibleClient, IndelibleError, type Item, PolicyError } from 'indelible'
import { type FormEvent, useMemo, useState } from 'react'
import { Fields } from '../form/Fields.tsx'
import { Icon } from '../form/icons.tsx'
import { choiceLabel } from '../form/labels.ts'
import type { JsonObject } from '../form/path.ts'
import type { Schema } from '../form/schema.ts'
import { draftSource, SourceProvider } from '../form/source.ts'
import { problemsOf, reasonOf } from '../form/violations.ts'
import { whyAbsent } from '../live/absent.ts'
import { useGuard } from '../live/guard.ts'
import { useItems } from '../live/hooks.ts'
import { initials } from '../text/initials.ts'
import { type Language, useLanguage } from '../text/language.tsx'
import { EntityForm, viewerOf } from './EntityForm.tsx'
import { type CollectionKind, go } from './route.ts'
import { Violations } from './StateBar.tsx'

/** Whatever an entity of any kind may call itself by. */
interface Named {
  readonly name?: string
  readonly title?: string
  readonly role?: string
  readonly category?: string
}

function nameOf(value: Named): string {
  return value.name || value.title || ''
}

interface Props {
  readonly client: IndelibleClient
  readonly kind: CollectionKind
  readonly root: Schema
  /** The entity's id, `new`, or nothing yet. */
  readonly id: string | undefined
}

export function Kind({ client, kind, root, id }: Props) {
  const { t } = useLanguage()
  const adding = id === 'new'
  return (
    <div className={`kind${id === undefined ? '' : ' picked'}`}>
      <EntityList client={client} kind={kind} root={root} id={id} />
      <div className="kind-detail">
        {id !== undefined && (
          <a className="back" href={`#/${kind}`}>
            <Icon name="back" /> {t(`nav.${kind}`)}
          </a>
        )}
        {id === undefined && (
          <div className="notice">
            <h1>{t(`nav.${kind}`)}</h1>
            <p>{t('kind.pick')}</p>
          </div>
        )}
        {adding && <NewEntity client={client} kind={kind} root={root} />}
        {id !== undefined && !adding && (
          <EntityForm
            key={id}
            client={client}
            name={`${kind}/${id}`}
            root={root}
            title={value => nameOf(value) || t('kind.unnamed')}
          />
        )}
      </div>
    </div>
  )
}

function EntityList({ client, kind, root, id }: Props) {
  const { t, language } = useLanguage()
  const collection = useMemo(() => client.collection<Named>(kind), [client, kind])
  const { items, complete, error } = useItems(collection)
  const [wanted, setWanted] = useState('')
  const found = useMemo(() => search(items, wanted, language), [items, wanted, language])
  const mayCreate = client.principal?.roles.some(role =>
    root['x-indelible']?.create?.includes(role),
  )
  return (
    <nav className="entities" aria-label={t(`nav.${kind}`)}>
      <input
        type="search"
        aria-label={t('kind.search')}
        placeholder={t('kind.search')}
        value={wanted}
        onChange={event => setWanted(event.target.value)}
      />
      {error !== null && (
        <p className="reason">
          {t(whyAbsent(error.code))} <code>{error.code}</code>
        </p>
      )}
      {!complete && error === null && <p className="loading">{t('state.loading')}</p>}
      {complete && items.length === 0 && <p className="empty">{t('kind.empty')}</p>}
      {items.length > 0 && found.length === 0 && <p className="empty">{t('kind.none-found')}</p>}
      <ul>
        {found.map(item => (
          <li key={item.id}>
            <a href={`#/${kind}/${item.id}`} aria-current={item.id === id ? 'page' : undefined}>
              <span className="avatar" aria-hidden="true">
                {initials(nameOf(item.value))}
              </span>
              <span>
                <strong>{nameOf(item.value) || t('kind.unnamed')}</strong>
                <small>{subtitle(item.value, language)}</small>
              </span>
            </a>
          </li>
        ))}
      </ul>
      {mayCreate && (
        <a
          className="button"
          href={`#/${kind}/new`}
          aria-current={id === 'new' ? 'page' : undefined}
        >
          <Icon name="add" /> {t(`new.${kind}`)}
        </a>
      )}
    </nav>
  )
}

function subtitle(value: Named, language: Language): string | undefined {
  return value.role ?? (value.category && choiceLabel(value.category, language))
}

function search(items: readonly Item<Named>[], wanted: string, language: Language): Item<Named>[] {
  const text = wanted.trim().toLocaleLowerCase(language)
  return items
    .filter(({ value }) => nameOf(value).toLocaleLowerCase(language).includes(text))
    .sort((a, b) => nameOf(a.value).localeCompare(nameOf(b.value), language))
}

function NewEntity({ client, kind, root }: Omit<Props, 'id'>) {
  const { t } = useLanguage()
  const [value, setValue] = useState<JsonObject>({})
  useGuard(Object.keys(value).length > 0)
  const [refusal, setRefusal] = useState<IndelibleError | null>(null)
  const [busy, setBusy] = useState(false)
  const viewer = { ...viewerOf(client, root, true), mayEdit: true }
  const source = draftSource({ kind, root, viewer }, value, setValue)

  const create = async (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setRefusal(null)
    try {
      const made = await client.create(kind, value)
      go(`#/${made.name}`)
    } catch (error) {
      setBusy(false)
      if (!(error instanceof IndelibleError)) throw error
      setRefusal(error)
    }
  }
  return (
    <form className="entity" noValidate onSubmit={event => void create(event)}>
      <header className="entity-head">
        <h1>{t(`new.${kind}`)}</h1>
      </header>
      <p className="lead">{t('kind.create.lead')}</p>
      <SourceProvider value={{ ...source, problems: problemsOf(refusal, t) }}>
        <Fields schema={root} path={[]} write="edit" />
      </SourceProvider>
      {refusal !== null && (
        <div className="refusal" role="alert">
          {refusal instanceof PolicyError && refusal.violations.length > 0 ? (
            <Violations kind={kind} root={root} violations={refusal.violations} />
          ) : (
            <p>{reasonOf(refusal, t)}</p>
          )}
        </div>
      )}
      <div className="actions">
        <button type="submit" className="primary" disabled={busy}>
          {busy ? t('kind.creating') : t('kind.create')}
        </button>
        <a className="button quiet" href={`#/${kind}`}>
          {t('list.cancel')}
        </a>
      </div>
    </form>
  )
}
