/** One entity to edit: its title, its state, its fields; or why there is nothing to edit. */

import { type Entity, type IndelibleClient, IndelibleError } from 'indelible'
import { type ReactNode, useMemo } from 'react'
import { Fields } from '../form/Fields.tsx'
import type { Schema, Viewer } from '../form/schema.ts'
import { entitySource, SourceProvider } from '../form/source.ts'
import { whyAbsent } from '../live/absent.ts'
import { useConflicts, useStatus, useValue } from '../live/hooks.ts'
import { useLanguage } from '../text/language.tsx'
import { Absent } from './Absent.tsx'
import { Lost } from './Lost.tsx'
import { Refusal, StateLine } from './StateBar.tsx'

interface Props {
  readonly client: IndelibleClient
  readonly name: string
  readonly root: Schema
  readonly title: (value: object) => ReactNode
}

export function EntityForm(props: Props) {
  const { client, name } = props
  const { t } = useLanguage()
  const entity = useMemo(() => entityOf(client, name), [client, name])
  if (entity !== null) return <OpenedEntity {...props} entity={entity} />
  return (
    <article className="absent" data-entity={name}>
      <div className="notice" role="alert" data-absent="name">
        <h1>{t('load.failed')}</h1>
        <p>
          {t(whyAbsent('name'))} <code>name</code>
        </p>
      </div>
    </article>
  )
}

/** The entity of that name; `null` where the address of the page has what cannot be one. */
function entityOf(client: IndelibleClient, name: string): Entity | null {
  try {
    return client.entity(name)
  } catch (error) {
    if (error instanceof IndelibleError && error.code === 'name') return null
    throw error
  }
}

function OpenedEntity({ client, entity, name, root, title }: Props & { readonly entity: Entity }) {
  const { t } = useLanguage()
  const value = useValue(entity)
  const status = useStatus(entity)
  // Drawn again with them: the form reads them from the entity.
  useConflicts(entity)
  const viewer = viewerOf(client, root, entity.mode === 'replica')
  // What was lost stays in its place whether there is anything to edit or not.
  return (
    <article className={value === undefined ? 'absent' : 'entity'} data-entity={name}>
      {value === undefined ? (
        <Absent client={client} entity={entity} root={root} status={status} />
      ) : (
        <header className="entity-head">
          <h1>{title(value)}</h1>
          <StateLine status={status} />
        </header>
      )}
      <Refusal kind={entity.kind} root={root} status={status} />
      <Lost
        entity={entity}
        root={root}
        status={status}
        mayWrite={value !== undefined && viewer.mayEdit}
      />
      {value !== undefined && (
        <>
          {!viewer.mayEdit && !viewer.serves && <p className="notice">{t('load.viewonly')}</p>}
          <SourceProvider value={entitySource(entity, value, root, viewer)}>
            <Fields schema={root} path={[]} write="edit" />
          </SourceProvider>
        </>
      )}
    </article>
  )
}

/** What the form may offer; the engine has the last word on every edit. */
export function viewerOf(client: IndelibleClient, root: Schema, replica: boolean): Viewer {
  const roles = client.principal?.roles ?? []
  const has = (named: readonly string[] = []) => replica && roles.some(role => named.includes(role))
  const marks = root['x-indelible']
  return { roles, mayEdit: has(marks?.edit), serves: has(marks?.system) }
}
