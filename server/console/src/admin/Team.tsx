/** The members of the team: find one, edit one, add one. */

import { type IndelibleClient, type Item, PolicyError } from 'indelible'
import { type FormEvent, useMemo, useState } from 'react'
import { Fields } from '../form/Fields.tsx'
import { Icon } from '../form/icons.tsx'
import type { JsonObject } from '../form/path.ts'
import type { Schema } from '../form/schema.ts'
import { draftSource, SourceProvider } from '../form/source.ts'
import { problemsOf, reasonOf } from '../form/violations.ts'
import { useItems } from '../live/hooks.ts'
import { initials } from '../text/initials.ts'
import { useLanguage } from '../text/language.tsx'
import { EntityForm } from './EntityForm.tsx'
import { go } from './route.ts'
import { Violations } from './StateBar.tsx'

interface Member {
  readonly name?: string
  readonly role?: string
}

interface Props {
  readonly client: IndelibleClient
  readonly root: Schema
  /** The member's id, `new`, or nothing yet. */
  readonly id: string | undefined
}

export function Team({ client, root, id }: Props) {
  const { t } = useLanguage()
  const adding = id === 'new'
  return (
    <div className={`team${id === undefined ? '' : ' picked'}`}>
      <MemberList client={client} root={root} id={id} />
      <div className="team-detail">
        {id !== undefined && (
          <a className="back" href="#/team">
            <Icon name="back" /> {t('team.back')}
          </a>
        )}
        {id === undefined && (
          <div className="notice">
            <h1>{t('team.pick.title')}</h1>
            <p>{t('team.pick')}</p>
          </div>
        )}
        {adding && <NewMember client={client} root={root} />}
        {id !== undefined && !adding && (
          <EntityForm
            key={id}
            client={client}
            name={`team/${id}`}
            root={root}
            title={value => (value as Member).name || t('team.unnamed')}
          />
        )}
      </div>
    </div>
  )
}

function MemberList({ client, root, id }: Props) {
  const { t, language } = useLanguage()
  const collection = useMemo(() => client.collection<Member>('team'), [client])
  const { items, complete, error } = useItems(collection)
  const [wanted, setWanted] = useState('')
  const found = useMemo(() => search(items, wanted, language), [items, wanted, language])
  const mayCreate = client.principal?.roles.some(role =>
    root['x-indelible']?.create?.includes(role),
  )
  return (
    <nav className="members" aria-label={t('nav.team')}>
      <input
        type="search"
        aria-label={t('team.search')}
        placeholder={t('team.search')}
        value={wanted}
        onChange={event => setWanted(event.target.value)}
      />
      {error !== null && <p className="reason">{error.message}</p>}
      {!complete && error === null && <p className="loading">{t('state.loading')}</p>}
      {complete && items.length === 0 && <p className="empty">{t('team.empty')}</p>}
      {items.length > 0 && found.length === 0 && <p className="empty">{t('team.none-found')}</p>}
      <ul>
        {found.map(item => (
          <li key={item.id}>
            <a href={`#/team/${item.id}`} aria-current={item.id === id ? 'page' : undefined}>
              <span className="avatar" aria-hidden="true">
                {initials(item.value.name)}
              </span>
              <span>
                <strong>{item.value.name || t('team.unnamed')}</strong>
                <small>{item.value.role}</small>
              </span>
            </a>
          </li>
        ))}
      </ul>
      {mayCreate && (
        <a className="button" href="#/team/new" aria-current={id === 'new' ? 'page' : undefined}>
          <Icon name="add" /> {t('team.new')}
        </a>
      )}
    </nav>
  )
}

function search(items: readonly Item<Member>[], wanted: string, language: string): Item<Member>[] {
  const text = wanted.trim().toLocaleLowerCase(language)
  return items
    .filter(({ value }) => (value.name ?? '').toLocaleLowerCase(language).includes(text))
    .sort((a, b) => (a.value.name ?? '').localeCompare(b.value.name ?? '', language))
}

function NewMember({ client, root }: { client: IndelibleClient; root: Schema }) {
  const { t } = useLanguage()
  const [value, setValue] = useState<JsonObject>({})
  const [refusal, setRefusal] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const viewer = { roles: client.principal?.roles ?? [], mayEdit: true }
  const source = draftSource({ kind: 'team', root, viewer }, value, setValue)

  const create = async (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setRefusal(null)
    try {
      const made = await client.create('team', value)
      go(`#/${made.name}`)
    } catch (error) {
      setRefusal(error)
      setBusy(false)
    }
  }
  return (
    <form className="entity" noValidate onSubmit={event => void create(event)}>
      <header className="entity-head">
        <h1>{t('team.new')}</h1>
      </header>
      <p className="lead">{t('team.create.lead')}</p>
      <SourceProvider value={{ ...source, problems: problemsOf(refusal, t) }}>
        <Fields schema={root} path={[]} write="edit" />
      </SourceProvider>
      {refusal !== null && (
        <div className="refusal" role="alert">
          {refusal instanceof PolicyError && refusal.violations.length > 0 ? (
            <Violations kind="team" root={root} violations={refusal.violations} />
          ) : (
            <p>{refusal instanceof PolicyError ? reasonOf(refusal, t) : String(refusal)}</p>
          )}
        </div>
      )}
      <div className="actions">
        <button type="submit" className="primary" disabled={busy}>
          {busy ? t('team.creating') : t('team.create')}
        </button>
        <a className="button quiet" href="#/team">
          {t('list.cancel')}
        </a>
      </div>
    </form>
  )
}
