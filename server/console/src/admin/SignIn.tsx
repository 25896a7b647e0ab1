/** Signing in: with a token, or by mere name where the server allows it. */

import { type FormEvent, useEffect, useState } from 'react'
import { Logo } from '../text/Logo.tsx'
import { LanguageToggle, useLanguage } from '../text/language.tsx'
import type { Text } from '../text/messages.ts'
import { looksLikeToken, offersNames, SignInError, tokenFor } from './session.ts'

interface Props {
  readonly onToken: (token: string) => void
  readonly notice: Text | null
}

interface Problem {
  readonly text: Text
  /** For those who are asked for help: it is the same in every language. */
  readonly code?: string
}

type Way = 'name' | 'token'

export function SignIn({ onToken, notice }: Props) {
  const { t } = useLanguage()
  const [named, setNamed] = useState<boolean | null>(null)
  const [way, setWay] = useState<Way>('token')
  const [problem, setProblem] = useState<Problem | null>(notice && { text: notice })
  useEffect(() => {
    void offersNames().then(offered => {
      setNamed(offered)
      if (offered) setWay('name')
    })
  }, [])

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const text = (name: string) => String(form.get(name) ?? '').trim()
    try {
      const token = way === 'token' ? text('token') : await tokenFor(text('name'), text('role'))
      if (looksLikeToken(token)) onToken(token)
      else setProblem({ text: 'sign-in.token.bad' })
    } catch (error) {
      if (!(error instanceof SignInError)) throw error
      setProblem(error)
    }
  }

  return (
    <div className="sign-in">
      <header>
        <Logo />
        <LanguageToggle />
      </header>
      <main>
        <h1>{t('sign-in')}</h1>
        <p className="lead">{t('sign-in.lead')}</p>
        {named && (
          <fieldset className="toggle wide" aria-label={t('sign-in')}>
            {(['name', 'token'] as const).map(one => (
              <button
                key={one}
                type="button"
                aria-pressed={way === one}
                onClick={() => setWay(one)}
              >
                {t(`sign-in.with-${one}`)}
              </button>
            ))}
          </fieldset>
        )}
        {named !== null && (
          <form onSubmit={event => void submit(event)}>
            {way === 'name' ? <NameFields /> : <TokenField />}
            {problem !== null && (
              <p className="reason" role="alert">
                {t(problem.text)} {problem.code && <code>({problem.code})</code>}
              </p>
            )}
            <button type="submit" className="primary">
              {t('sign-in')}
            </button>
          </form>
        )}
      </main>
    </div>
  )
}

/** The page has only this box: a user can type at once. */
function focus(box: HTMLElement | null) {
  box?.focus()
}

function NameFields() {
  const { t } = useLanguage()
  return (
    <>
      <div className="field">
        <label htmlFor="name">{t('sign-in.name')}</label>
        <input ref={focus} id="name" name="name" required maxLength={41} autoComplete="name" />
      </div>
      <div className="field">
        <label htmlFor="role">{t('sign-in.role')}</label>
        <select id="role" name="role" defaultValue="editor">
          {(['editor', 'admin', 'viewer'] as const).map(role => (
            <option key={role} value={role}>
              {t(`sign-in.role.${role}`)}
            </option>
          ))}
        </select>
      </div>
    </>
  )
}

function TokenField() {
  const { t } = useLanguage()
  const command = 'indelible token --sub alice --role editor'
  return (
    <div className="field">
      <label htmlFor="token">{t('sign-in.token')}</label>
      <textarea ref={focus} id="token" name="token" required rows={4} spellCheck={false} />
      <p className="help">
        {t('sign-in.token.help', { command: '' })}
        <code>{command}</code>
      </p>
    </div>
  )
}
