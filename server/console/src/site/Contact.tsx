/** The foot of the page: how and when the company can be reached. */

import { choiceLabel } from '../form/labels.ts'
import { Live } from '../live/Live.tsx'
import { type Language, type Translate, useLanguage } from '../text/language.tsx'
import type { Address, Hours, Settings } from './content.ts'

export function Contact({ settings }: { settings: Settings }) {
  const { t, language } = useLanguage()
  const { contact, openingHours, socialLinks } = settings
  return (
    <footer id="contact">
      <div className="columns">
        <section>
          <h2>{t('site.contact')}</h2>
          {contact.email && (
            <a href={`mailto:${contact.email}`}>
              <Live text={contact.email} />
            </a>
          )}
          {contact.phone && (
            <a href={`tel:${contact.phone.replace(/[^\d+]/g, '')}`}>
              <Live text={contact.phone} />
            </a>
          )}
        </section>
        {contact.address && <Place address={contact.address} language={language} t={t} />}
        {openingHours && (
          <section>
            <h2>{t('site.hours')}</h2>
            <dl className="hours">
              {openingHours.map(hours => (
                <div key={hours.id}>
                  <dt>
                    <Live text={choiceLabel(hours.day, language)} />
                  </dt>
                  <dd>
                    <Live text={hoursText(hours, t)} />
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
              {socialLinks.map(({ id, network, url }) => (
                <li key={id}>
                  <a href={safe(url)} rel="noreferrer">
                    <Live text={choiceLabel(network, language)} />
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

interface PlaceProps {
  readonly address: Address
  readonly language: Language
  readonly t: Translate
}

function Place({ address, language, t }: PlaceProps) {
  const country = address.country && countryName(address.country, language)
  return (
    <section>
      <h2>{t('site.address')}</h2>
      <address>
        <Live text={address.street} />
        <Live text={[address.postalCode, address.city].filter(Boolean).join(' ')} />
        <Live text={country} />
      </address>
    </section>
  )
}

function countryName(code: string, language: Language): string {
  return new Intl.DisplayNames(language, { type: 'region' }).of(code) ?? code
}

function hoursText({ closed, opens, closes }: Hours, t: Translate): string {
  return closed ? t('site.closed') : [opens, closes].filter(Boolean).join(' – ')
}

/** Content comes from editors: a link may lead to the web, and nowhere else. */
function safe(url: string): string | undefined {
  return /^https?:\/\//i.test(url) ? url : undefined
}
