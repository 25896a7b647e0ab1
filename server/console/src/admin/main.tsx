/** The backoffice of the demo: sign in, edit the settings and the team, see what is saved. */

import '../style.css'
import '../form/form.css'
import './admin.css'
import { useState } from 'react'
import { createRoot } from 'react-dom/client'
import services from '../../../demo/services.json'
import settings from '../../../demo/settings.json'
import solutions from '../../../demo/solutions.json'
import team from '../../../demo/team.json'
import { Icon } from '../form/icons.tsx'
import type { Schema } from '../form/schema.ts'
import { ConnectionSign, Trouble } from '../live/Connection.tsx'
import { useClientStatus } from '../live/hooks.ts'
import { Fence } from '../text/Fence.tsx'
import { Logo } from '../text/Logo.tsx'
import { LanguageProvider, LanguageToggle, useLanguage } from '../text/language.tsx'
import { EntityForm } from './EntityForm.tsx'
import { Kind } from './Kind.tsx'
import { COLLECTIONS, type Route, useRoute } from './route.ts'
import { SignIn } from './SignIn.tsx'
import { end, renew, resume, type Session, start } from './session.ts'
import { Unsaved } from './Unsaved.tsx'

const SCHEMAS: Readonly<Record<Route['page'], Schema>> = {
  settings: settings as Schema,
  team: team as Schema,
  services: services as Schema,
  solutions: solutions as Schema,
}

interface Question {
  readonly answer: (leave: boolean) => void
}

function Admin() {
  const [session, setSession] = useState(resume)
  const [question, setQuestion] = useState<Question | null>(null)
  if (session === null) {
    return <SignIn notice={null} onToken={token => setSession(start(token))} />
  }
  const ask = () =>
    new Promise<boolean>(resolve => {
      const answer = (leave: boolean) => {
        setQuestion(null)
        resolve(leave)
      }
      setQuestion({ answer })
    })
  const leave = async () => {
    if (await end(session, ask)) setSession(null)
  }
  const goOn = async (token: string) => setSession(await renew(session, token, ask))
  return (
    <>
      <Workspace session={session} leave={() => void leave()} renew={token => void goOn(token)} />
      {question !== null && <Unsaved client={session.client} answer={question.answer} />}
    </>
  )
}

interface WorkspaceProps {
  readonly session: Session
  readonly leave: () => void
  readonly renew: (token: string) => void
}

function Workspace({ session, leave, renew }: WorkspaceProps) {
  const { client } = session
  const { t } = useLanguage()
  const route = useRoute()
  const status = useClientStatus(client)
  if (status.error?.code === 'unauthorized') {
    return (
      <SignIn notice={session.accepted ? 'sign-in.expired' : 'sign-in.unknown'} onToken={renew} />
    )
  }
  return (
    <>
      <header className="top">
        <Logo />
        <span className="place">{t('backoffice')}</span>
        <nav aria-label={t('nav.label')}>
          <Tab page="settings" route={route} />
          {COLLECTIONS.map(kind => (
            <Tab key={kind} page={kind} route={route} />
          ))}
        </nav>
        <a className="site-link" href="/demo/site" target="_blank" rel="noreferrer">
          {t('open-site')} <Icon name="out" />
        </a>
        <ConnectionSign client={client} />
        <LanguageToggle />
        <span className="who">{client.principal?.name ?? client.principal?.id}</span>
        <button type="button" className="quiet" onClick={leave}>
          {t('sign-out')}
        </button>
      </header>
      <main className="workspace">
        {route.page === 'settings' ? (
          <EntityForm
            client={client}
            name="settings"
            root={SCHEMAS.settings}
            title={() => t('nav.settings')}
          />
        ) : (
          <Kind
            key={route.page}
            client={client}
            kind={route.page}
            root={SCHEMAS[route.page]}
            id={route.id}
          />
        )}
      </main>
      <Trouble client={client} />
    </>
  )
}

function Tab({ page, route }: { page: Route['page']; route: Route }) {
  const { t } = useLanguage()
  return (
    <a href={`#/${page}`} aria-current={route.page === page ? 'page' : undefined}>
      {t(`nav.${page}`)}
    </a>
  )
}

const root = document.getElementById('root')
if (root === null) throw new Error('the page has no #root')
createRoot(root).render(
  <LanguageProvider>
    <Fence>
      <Admin />
    </Fence>
  </LanguageProvider>,
)
