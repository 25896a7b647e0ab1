/** The page: one section per kind, each from a live value. */

import type { IndelibleClient } from 'indelible'
import { type ReactNode, useMemo } from 'react'
import { whyAbsent } from '../live/absent.ts'
import { Trouble } from '../live/Connection.tsx'
import { useClientStatus, useItems, useStatus, useValue } from '../live/hooks.ts'
import { Live, News, Paragraphs } from '../live/Live.tsx'
import { LanguageToggle, useLanguage } from '../text/language.tsx'
import { Person, ServiceCard, Story } from './Cards.tsx'
import { Contact } from './Contact.tsx'
import type { Member, Service, Settings, Solution } from './content.ts'
import { useTheme } from './theme.ts'

export function Site({ client }: { client: IndelibleClient }) {
  return (
    <>
      <Page client={client} />
      <Trouble client={client} />
    </>
  )
}

function Page({ client }: { client: IndelibleClient }) {
  const { t } = useLanguage()
  const entity = useMemo(() => client.entity<Settings>('settings'), [client])
  const services = useItems(useMemo(() => client.collection<Service>('services'), [client]))
  const solutions = useItems(useMemo(() => client.collection<Solution>('solutions'), [client]))
  const team = useItems(useMemo(() => client.collection<Member>('team'), [client]))
  const settings = useValue(entity)
  const { error } = useStatus(entity)
  useTheme(settings?.theme)
  const settled = services.complete && solutions.complete && team.complete

  if (settings === undefined) {
    return (
      <>
        <header className="masthead">
          <LiveSign client={client} />
          <LanguageToggle />
        </header>
        <main className="notice" role={error === null ? 'status' : 'alert'}>
          <p>{error === null ? t('site.loading') : t('site.failed')}</p>
          {error !== null && (
            <p className="help">
              {t(whyAbsent(error.code))} <code>{error.code}</code>
            </p>
          )}
        </main>
      </>
    )
  }
  const { showTeam = true, showPrices = true } = settings.features ?? {}
  const offered = services.items.filter(({ value }) => value.published)
  return (
    <News settled={settled}>
      <a className="skip" href="#content">
        {t('site.skip')}
      </a>
      <header className="masthead">
        <strong className="name">
          <Live text={settings.companyName} />
        </strong>
        <nav>
          <a href="#services">{t('site.services')}</a>
          <a href="#solutions">{t('site.solutions')}</a>
          {showTeam && <a href="#team">{t('site.team')}</a>}
          <a href="#contact">{t('site.contact')}</a>
        </nav>
        <LiveSign client={client} />
        <LanguageToggle />
      </header>
      <main id="content">
        <section className="hero">
          <h1>
            <Live text={settings.slogan ?? settings.companyName} />
          </h1>
          <Paragraphs text={settings.description} />
        </section>
        <Section id="services" title={t('site.services')} empty={offered.length === 0}>
          <div className="cards">
            {offered.map(({ id, value }) => (
              <ServiceCard key={id} service={value} prices={showPrices} />
            ))}
          </div>
        </Section>
        <Section id="solutions" title={t('site.solutions')} empty={solutions.items.length === 0}>
          <div className="stories">
            {solutions.items.map(({ id, value }) => (
              <Story key={id} solution={value} />
            ))}
          </div>
        </Section>
        {showTeam && (
          <Section id="team" title={t('site.team')} empty={team.items.length === 0}>
            <div className="people">
              {team.items.map(({ id, value }) => (
                <Person key={id} member={value} />
              ))}
            </div>
          </Section>
        )}
      </main>
      <Contact settings={settings} />
    </News>
  )
}

function LiveSign({ client }: { client: IndelibleClient }) {
  const { t } = useLanguage()
  const { state } = useClientStatus(client)
  const live = state === 'offline' || state === 'connecting' ? state : 'live'
  return (
    <span className="live" role="status" data-live={live} title={t('site.live.why')}>
      {t(`site.${live}`)}
    </span>
  )
}

interface SectionProps {
  readonly id: string
  readonly title: string
  readonly empty: boolean
  readonly children: ReactNode
}

function Section({ id, title, empty, children }: SectionProps) {
  const { t } = useLanguage()
  return (
    <section id={id} aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>{title}</h2>
      {empty ? <p className="empty">{t('site.empty')}</p> : children}
    </section>
  )
}
