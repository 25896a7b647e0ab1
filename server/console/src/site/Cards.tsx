/** One service, one solution, one person. */

import { choiceLabel } from '../form/labels.ts'
import { Live, Paragraphs } from '../live/Live.tsx'
import { initials } from '../text/initials.ts'
import { type Language, localeOf, type Translate, useLanguage } from '../text/language.tsx'
import { numberText } from '../text/numbers.ts'
import type { Member, Price, Service, Solution } from './content.ts'

function priceText(price: Price | undefined, language: Language, t: Translate): string {
  if (price?.amount === undefined || price.currency === undefined) return ''
  const amount = price.amount.toLocaleString(localeOf(language), {
    style: 'currency',
    currency: price.currency,
    minimumFractionDigits: Number.isInteger(price.amount) ? 0 : 2,
  })
  if (price.per === undefined) return amount
  return t('site.per', { amount, per: choiceLabel(price.per, language).toLowerCase() })
}

export function ServiceCard({ service, prices }: { service: Service; prices: boolean }) {
  const { t, language } = useLanguage()
  const { title, summary, description, features, rating, price } = service
  return (
    <article className="card">
      <h3>
        <Live text={title} />
      </h3>
      <Live as="p" text={summary} />
      {features && (
        <ul>
          {features.map(({ id, title: name, included = true }) => (
            <li key={id} className={included ? undefined : 'extra'}>
              <Live text={name} />
              {!included && <small> {t('site.extra')}</small>}
            </li>
          ))}
        </ul>
      )}
      {description && (
        <details>
          <summary>{t('site.more')}</summary>
          <Paragraphs text={description} />
        </details>
      )}
      <p className="facts">
        {prices && <Live text={priceText(price, language, t)} />}
        {rating !== undefined && (
          <span className="rating">
            <span aria-hidden="true">★ </span>
            <Live text={t('site.rating', { rating: numberText(rating, t) })} />
          </span>
        )}
      </p>
    </article>
  )
}

export function Story({ solution }: { solution: Solution }) {
  const { language } = useLanguage()
  const { title, category, client, challenge, approach, results, testimonial } = solution
  return (
    <article className="story">
      <p className="kicker">
        <Live text={category && choiceLabel(category, language)} />
        {category && client && ' · '}
        <Live text={client} />
      </p>
      <h3>
        <Live text={title} />
      </h3>
      <Paragraphs text={challenge} />
      <Paragraphs text={approach} />
      {results && (
        <dl className="results">
          {results.map(({ id, label, value }) => (
            <div key={id}>
              <dt>
                <Live text={label} />
              </dt>
              <dd>
                <Live text={value} />
              </dd>
            </div>
          ))}
        </dl>
      )}
      {testimonial?.quote && (
        <figure>
          <blockquote>
            <Live text={testimonial.quote} />
          </blockquote>
          <figcaption>
            <Live text={[testimonial.author, testimonial.position].filter(Boolean).join(', ')} />
          </figcaption>
        </figure>
      )}
    </article>
  )
}

export function Person({ member }: { member: Member }) {
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
        <p className="skills">
          <Live text={member.skills?.join(' · ')} />
        </p>
      </div>
    </article>
  )
}
