/** The page: one section per kind, each from a live value. */

import type { IndelibleClient } from 'indelible'
import { type ReactNode, useMemo } from 'react'
import { choiceLabel } from '../form/labels.ts'
import { useArrival, useClientStatus, useItems, useValue } from '../live/hooks.ts'
import { Live, News } from '../live/Live.tsx'
import { initials } from '../text/initials.ts'
import { LanguageToggle, useLanguage } from '../text/language.tsx'
import type { Member, Service, Settings, Solution } from './content.ts'

export function Site({ client }: { client: IndelibleClient }) {
  const { t } = useLanguage()
  const entity = useMemo(() => client.entity<Settings>('settings'), [client])
  const services = useItems(useMemo(() => client.collection<Service>('services'), [client]))
  const solutions = useItems(useMemo(() => client.collection<Solution>('solutions'), [client]))
  const team = useItems(useMemo(() => client.collection<Member>('team'), [client]))
  const settings = useValue(entity)
  const { error } = useArrival(entity)
  const settled = services.complete && solutions.complete && team.complete

  if (settings === undefined) {
    return (
      <main className="notice" role={error === null ? 'status' : 'alert'}>
        <p>{error === null ? t('site.loading') : t('site.failed')}</p>
        {error !== null && <p className="help">{error.message}</p>}
      </main>
    )
  }
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
          <a href="#team">{t('site.team')}</a>
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
          <Paragraphs text={settings.about} />
        </section>
        <Section id="services" title={t('site.services')} empty={services.items.length === 0}>
          <div className="cards">
            {services.items.map(({ id, value }) => (
              <ServiceCard key={id} service={value} />
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
        <Section id="team" title={t('site.team')} empty={team.items.length === 0}>
          <div className="people">
            {team.items.map(({ id, value }) => (
              <Person key={id} member={value} />
            ))}
          </div>
        </Section>
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

function Paragraphs({ text = '' }: { text: string | undefined }) {
  return text.split(/\n{2,}/).map((paragraph, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: a paragraph that changes shall stay one element
    <Live key={index} as="p" text={paragraph} />
  ))
}

function ServiceCard({ service }: { service: Service }) {
  return (
    <article className="card">
      <h3>
        <Live text={service.title} />
      </h3>
      <Live as="p" text={service.summary} />
      {service.features && (
        <ul>
          {service.features.map(feature => (
            <li key={feature.id}>
              <Live text={feature.title} />
            </li>
          ))}
        </ul>
      )}
    </article>
  )
}

function Story({ solution }: { solution: Solution }) {
  const { language } = useLanguage()
  return (
    <article className="story">
      {solution.category && (
        <p className="kicker">
          <Live text={choiceLabel(solution.category, language)} />
        </p>
      )}
      <h3>
        <Live text={solution.title} />
      </h3>
      <Live as="p" text={solution.summary} />
    </article>
  )
}

function Person({ member }: { member: Member }) {
  return (
    <article className="person">
      <span className="avatar" aria-hidden="true">
        {initials(member.name)}
      </span>
      <div>
        <h3>
          <Live text={member.name} />
        </h3>
        <p className="kicker">
          <Live text={member.role} />
        </p>
        <Paragraphs text={member.bio} />
      </div>
    </article>
  )
}

function Contact({ settings }: { settings: Settings }) {
  const { t } = useLanguage()
  const { contact, address, openingHours, socialLinks } = settings
  const town = [address?.postalCode, address?.city].filter(Boolean).join(' ')
  return (
    <footer id="contact">
      <div className="columns">
        <section>
          <h2>{t('site.contact')}</h2>
          {contact?.email && (
            <a href={`mailto:${contact.email}`}>
              <Live text={contact.email} />
            </a>
          )}
          {contact?.phone && (
            <a href={`tel:${contact.phone.replace(/[^\d+]/g, '')}`}>
              <Live text={contact.phone} />
            </a>
          )}
        </section>
        {address && (
          <section>
            <h2>{t('site.address')}</h2>
            <address>
              <Live text={address.street} />
              <Live text={town} />
              <Live text={address.country} />
            </address>
          </section>
        )}
        {openingHours && (
          <section>
            <h2>{t('site.hours')}</h2>
            <dl className="hours">
              {openingHours.map(hours => (
                <div key={hours.id}>
                  <dt>
                    <Live text={hours.days} />
                  </dt>
                  <dd>
                    <Live
                      text={
                        [hours.opens, hours.closes].filter(Boolean).join(' – ') || t('site.closed')
                      }
                    />
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        )}
        {socialLinks && (
          <section>
            <h2>{t('site.follow')}</h2>
            <ul>
              {socialLinks.map(link => (
                <li key={link.id}>
                  <a href={safe(link.url)} rel="noreferrer">
                    <Live text={link.network} />
                  </a>
                </li>
              ))}
            </ul>
          </section>
        )}
      </div>
      <p className="made">
        <a href="/demo/admin">{t('site.made')}</a>
      </p>
    </footer>
  )
}

/** Content comes from editors: a link may lead to the web, and nowhere else. */
function safe(url: string | undefined): string | undefined {
  return url !== undefined && /^https?:\/\//i.test(url) ? url : undefined
}
