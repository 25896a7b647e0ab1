/** Turns refusals into sentences, in the reader's language where the rule is a common one. */

import { type Dropped, IndelibleError, JsonError, PolicyError, type Violation } from 'indelible'
import type { Translate } from '../text/language.tsx'
import { en, type Text } from '../text/messages.ts'
import { GoneError } from './path.ts'

function isText(key: string): key is Text {
  return Object.hasOwn(en, key)
}

export function explain(violation: Violation, t: Translate): string {
  const key = `rule.${violation.rule}`
  if (!isText(key)) return violation.message
  if (violation.rule === 'format') return t(formatOf(violation) ?? key)
  const bound = boundOf(violation)
  if (bound === null) return t(key)
  const bounded = `rule.${violation.rule}.bound`
  const one = `${bounded}.${bound}`
  return isText(one) ? t(one) : isText(bounded) ? t(bounded, { bound }) : t(key)
}

/** What the engine's sentences say a text must be, and what we say when it is not. */
const FORMATS: readonly [must: string, text: Text][] = [
  ['a date such as 2026-02-03', 'format.date'],
  ['a date and time such as 2026-02-03T04:05:06Z', 'format.date-time'],
  ['an email address', 'format.email'],
  ['a host name such as www.example.org', 'format.hostname'],
  ['an IPv4 address such as 192.0.2.1', 'format.ipv4'],
  ['an IPv6 address such as 2001:db8::1', 'format.ipv6'],
  ['a time with its offset such as 04:05:06Z', 'format.time'],
  ['an address with its scheme such as https://example.org/', 'format.uri'],
  ['a UUID', 'format.uuid'],
]

function formatOf({ message }: Violation): Text | undefined {
  return FORMATS.find(([must]) => message.endsWith(`must be ${must}`))?.[1]
}

/** What the engine's sentences begin with where they go on with a bound. */
const BEFORE_BOUNDS =
  /^.*?\bmust (?:have(?: at most)?|be(?: one of| less than| more than| a multiple of)?) /

/** The bound that a rule is about, as the sentence of the violation says it. */
function boundOf({ rule, message }: Violation): string | null {
  if (message.endsWith('must not be empty')) return '1'
  const rest = message.replace(BEFORE_BOUNDS, '')
  if (rest === message) return null
  if (rule === 'enum') return rest
  return /-?\d[\d.e+-]*/.exec(rest)?.[0] ?? null
}

/** Why something of an edit is lost. */
export function whyLost({ reason, rule, by }: Dropped, t: Translate): string {
  if (reason === 'gone' && by) return t('lost.gone.by', { who: by.name ?? by.id })
  // A refusal takes more than what its rule is about; the rule stands beside its own place.
  const key = `rule.${rule}`
  return reason === 'forbidden' && isText(key) ? t(key) : t(`lost.${reason}`)
}

/** Why an edit did not work; throws on what is no error of the client. */
export function reasonOf(error: unknown, t: Translate): string {
  if (error instanceof GoneError) return t('rule.gone')
  if (error instanceof JsonError) return t('rule.half-character')
  if (error instanceof PolicyError) {
    return error.violations.length === 0
      ? error.message
      : [...new Set(error.violations.map(violation => explain(violation, t)))].join('; ')
  }
  if (error instanceof IndelibleError) {
    return error.code === 'document' ? t('rule.gone') : error.message
  }
  throw error
}

/** The reasons of a refusal by the pointer they belong to. */
export function problemsOf(error: unknown, t: Translate): ReadonlyMap<string, string> {
  const violations = error instanceof PolicyError ? error.violations : []
  return new Map(violations.map(violation => [violation.pointer, explain(violation, t)]))
}
