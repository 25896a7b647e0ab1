/** The question before edits are thrown away that the server does not have. */

import type { IndelibleClient } from 'indelible'
import { useEffect, useRef } from 'react'
import { useClientStatus } from '../live/hooks.ts'
import { useLanguage } from '../text/language.tsx'

interface Props {
  readonly client: IndelibleClient
  readonly answer: (leave: boolean) => void
}

export function Unsaved({ client, answer }: Props) {
  const { t } = useLanguage()
  const { pending } = useClientStatus(client)
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    dialog.current?.showModal()
  }, [])
  return (
    <dialog
      ref={dialog}
      className="question"
      role="alertdialog"
      aria-labelledby="unsaved-title"
      aria-describedby="unsaved-text"
      onCancel={event => {
        event.preventDefault()
        answer(false)
      }}
    >
      <h2 id="unsaved-title">{t(pending === 0 ? 'sign-out.question' : 'sign-out.unsaved')}</h2>
      <p id="unsaved-text">
        {pending === 0
          ? t('sign-out.saved')
          : t(pending === 1 ? 'sign-out.unsaved.1' : 'sign-out.unsaved.n', { n: pending })}
      </p>
      <div className="actions">
        <button type="button" className="primary" onClick={() => answer(false)}>
          {t('sign-out.stay')}
        </button>
        <button type="button" className="quiet" onClick={() => answer(true)}>
          {t(pending === 0 ? 'sign-out' : 'sign-out.discard')}
        </button>
      </div>
    </dialog>
  )
}
