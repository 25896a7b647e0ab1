/** Turns refusals into sentences, in the reader's language where the rule is a common one. */

import {
  type Dropped,
  IndelibleError,
  JsonError,
  type JsonValue,
  PolicyError,
  type Violation,
} from 'indelible'
import type { Translate } from '../text/language.tsx'
import { en, type Text } from '../text/messages.ts'
import { listText, numberText, valueText } from '../text/numbers.ts'
import { GoneError } from './path.ts'

function isText(key: string): key is Text {
  return Object.hasOwn(en, key)
}

/** The sentence for a violation, from its rule and bound. */
export function explain({ rule, bound, message }: Violation, t: Translate): string {
  const key = `rule.${rule}`
  // In English the engine has a sentence of its own; a French one says which rule it is.
  if (!isText(key)) return t('rule.other', { message, rule })
  if (rule === 'format') {
    const format = `format.${bound}`
    return t(isText(format) ? format : key)
  }
  if (rule === 'propertyNames') return explainName(bound, t)
  if (rule === 'type' && isRange(bound)) {
    const { minimum, maximum } = bound
    return t('rule.type.range', { least: numberText(minimum, t), most: numberText(maximum, t) })
  }
  const stated = wordsOf(rule, bound, t)
  if (stated === null) return t(key)
  const bounded = `rule.${rule}.bound`
  const one = `${bounded}.${stated}`
  return isText(one) ? t(one) : isText(bounded) ? t(bounded, { bound: stated }) : t(key)
}

/** The sentence for a name of a property, from the one rule that it breaks. */
function explainName(bound: JsonValue | undefined, t: Translate): string {
  const broken = typeof bound === 'object' && bound !== null ? Object.entries(bound)[0] : undefined
  if (broken === undefined || !isText(`rule.${broken[0]}`)) return t('rule.propertyNames')
  const [rule, inner] = broken
  const violation = { change: 0, ops: [], pointer: '', rule, message: '', bound: inner }
  return t('rule.propertyNames.bound', { bound: explain(violation, t) })
}

/** A bound of a schema, for people; `null` where it needs no words. */
function wordsOf(rule: string, bound: JsonValue | undefined, t: Translate): string | null {
  if (typeof bound === 'number') return numberText(bound, t)
  if (!isList(bound)) return rule === 'const' && bound !== undefined ? valueText(bound, t) : null
  if (rule !== 'type') return listText(bound, t)
  const names = bound.map(one => `type.${String(one)}`)
  return names.every(isText) ? names.map(name => t(name as Text)).join(t('type.or')) : null
}

/** Integers that JSON readers do not round. */
interface Range {
  readonly minimum: number
  readonly maximum: number
}

function isRange(bound: unknown): bound is Range {
  if (typeof bound !== 'object' || bound === null) return false
  const { minimum, maximum } = bound as Partial<Range>
  return typeof minimum === 'number' && typeof maximum === 'number'
}

function isList(bound: JsonValue | undefined): bound is readonly JsonValue[] {
  return Array.isArray(bound)
}

/** Why a part of an edit is lost. */
export function whyLost({ reason, rule, by }: Dropped, t: Translate): string {
  if (reason === 'gone' && by) return t('lost.gone.by', { who: by.name ?? by.id })
  // A refusal discards more than what broke its rule; the rule is shown at its own place.
  const key = `rule.${rule}`
  return reason === 'forbidden' && isText(key) ? t(key) : t(`lost.${reason}`)
}

/** Why an edit did not work; throws what is not an error of the client. */
export function reasonOf(error: unknown, t: Translate): string {
  if (error instanceof GoneError) return t('rule.gone')
  if (error instanceof JsonError) return t('rule.half-character')
  if (error instanceof PolicyError && error.violations.length > 0) {
    return [...new Set(error.violations.map(violation => explain(violation, t)))].join('; ')
  }
  if (!(error instanceof IndelibleError)) throw error
  const { code, message } = error
  if (code === 'document') return t('rule.gone')
  return explain({ change: 0, ops: [], pointer: '', rule: code, message }, t)
}

/** The reasons of a refusal by the pointer they belong to. */
export function problemsOf(error: unknown, t: Translate): ReadonlyMap<string, string> {
  const violations = error instanceof PolicyError ? error.violations : []
  return new Map(violations.map(violation => [violation.pointer, explain(violation, t)]))
}
