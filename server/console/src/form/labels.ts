/**
 * Names of fields for people: the schema's own titles in English, ours in French.
 *
 * Looked up by `kind/property/…` first, then by the property's name alone; a field without a
 * name shows its property name in words.
 */

import type { Language } from '../text/language.tsx'
import { french } from './labels.fr.ts'
import type { Path } from './path.ts'
import { resolve, type Schema } from './schema.ts'

function words(name: string): string {
  const spaced = name
    .replace(/[-_]+/g, ' ')
    .replace(/([a-z\d])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`)
  return spaced.charAt(0).toUpperCase() + spaced.slice(1)
}

export function labelOf(kind: string, path: Path, schema: Schema, language: Language): string {
  const names = path.filter((step): step is string => typeof step === 'string')
  const name = names.at(-1) ?? kind
  if (language === 'fr') {
    const own = french[[kind, ...names].join('/')] ?? french[name]
    if (own !== undefined) return own
  }
  return schema.title ?? words(name)
}

/** A field's schema, explained in the language of the page as far as we have words for it. */
export function explained(path: Path, schema: Schema, language: Language): Schema {
  const description = language === 'fr' ? french[`?${path.at(-1)}`] : undefined
  return schema.description && description ? { ...schema, description } : schema
}

/** Names that are written in their own way, in every language. */
const BRANDS: Readonly<Record<string, string>> = {
  github: 'GitHub',
  linkedin: 'LinkedIn',
  youtube: 'YouTube',
}

/** The name of one choice of an `enum`. */
export function choiceLabel(value: string, language: Language): string {
  return BRANDS[value] ?? (language === 'fr' ? french[`=${value}`] : undefined) ?? words(value)
}

/** Where a pointer leads, in labels: `Opening hours › Closes`. Items of lists go unnamed. */
export function placeOf(kind: string, pointer: string, root: Schema, language: Language): string {
  const labels: string[] = []
  const path: string[] = []
  let schema = resolve(root, root)
  for (const token of pointer.split('/').slice(1)) {
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~')
    if (schema.items !== undefined) {
      schema = resolve(schema.items, root)
      continue
    }
    schema = resolve(schema.properties?.[name] ?? {}, root)
    path.push(name)
    labels.push(labelOf(kind, path, schema, language))
  }
  return labels.join(' › ') || labelOf(kind, [], root, language)
}
