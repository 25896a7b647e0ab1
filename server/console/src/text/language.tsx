/**
 * English and French.
 *
 * Owns the choice of language (kept in this browser, first taken from it) and the look-up of
 * texts. The type of `fr` makes sure that every text exists in both languages.
 */

import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react'
import { keep, recall } from './kept.ts'
import { en, fr, type Text } from './messages.ts'

export type Language = 'en' | 'fr'
/** How numbers and dates are written. */
export function localeOf(language: Language): string {
  return language === 'fr' ? 'fr-FR' : 'en-GB'
}

export type Translate = (text: Text, values?: Readonly<Record<string, string | number>>) => string

interface Spoken {
  readonly language: Language
  readonly choose: (language: Language) => void
  readonly t: Translate
}

const KEY = 'indelible-language'
const Context = createContext<Spoken | null>(null)

function initial(): Language {
  const kept = recall('localStorage', KEY)
  if (kept === 'en' || kept === 'fr') return kept
  return navigator.language.toLowerCase().startsWith('fr') ? 'fr' : 'en'
}

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState(initial)
  useEffect(() => {
    document.documentElement.lang = language
  }, [language])
  const spoken = useMemo<Spoken>(
    () => ({
      language,
      choose: chosen => {
        keep('localStorage', KEY, chosen)
        setLanguage(chosen)
      },
      t: (text, values = {}) =>
        (language === 'fr' ? fr : en)[text].replace(/\{(\w+)\}/g, (whole, name: string) =>
          String(values[name] ?? whole),
        ),
    }),
    [language],
  )
  return <Context value={spoken}>{children}</Context>
}

export function useLanguage(): Spoken {
  const spoken = useContext(Context)
  if (spoken === null) throw new Error('useLanguage needs a LanguageProvider above it')
  return spoken
}

export function LanguageToggle() {
  const { language, choose, t } = useLanguage()
  return (
    <fieldset className="toggle" aria-label={t('language')}>
      {(['en', 'fr'] as const).map(one => (
        <button
          key={one}
          type="button"
          lang={one}
          aria-pressed={language === one}
          title={one === 'en' ? 'English' : 'Français'}
          onClick={() => choose(one)}
        >
          {one.toUpperCase()}
        </button>
      ))}
    </fieldset>
  )
}
