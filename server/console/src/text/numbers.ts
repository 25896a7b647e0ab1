/** Numbers as people write them in the language of the page. */

import type { JsonValue } from 'indelible'
import type { Translate } from './language.tsx'

/** All digits of a number. */
export function numberText(number: number, t: Translate): string {
  return String(number).replace('.', t('decimal.point'))
}

/** The number that a user wrote with a point or a comma; `null` if it is not one. */
export function numberOf(text: string): number | null {
  const number = Number(text.trim().replace(',', '.'))
  return text.trim() === '' || !Number.isFinite(number) ? null : number
}

/** A value to be read: numbers in the language of the page, all else as JSON. */
export function valueText(value: JsonValue, t: Translate): string {
  return typeof value === 'number' ? numberText(value, t) : JSON.stringify(value)
}

/** Several numbers. Where numbers have commas, they are separated by something else. */
export function listText(values: readonly JsonValue[], t: Translate): string {
  const between = values.some(value => typeof value === 'number') ? 'list.numbers' : 'list.values'
  return values.map(value => valueText(value, t)).join(t(between))
}
