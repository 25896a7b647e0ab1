/** The question before edits are thrown away that the server does not have. */

import type { IndelibleClient } from 'indelible'
import { useEffect, useRef } from 'react'
import { useHoldsMore } from '../live/guard.ts'
import { useClientStatus } from '../live/hooks.ts'
import { useLanguage } from '../text/language.tsx'

interface Props {
  readonly client: IndelibleClient
  readonly answer: (leave: boolean) => void
}

export function Unsaved({ client, answer }: Props) {
  const { t } = useLanguage()
  const { pending } = useClientStatus(client)
  const more = useHoldsMore()
  const safe = pending === 0 && !more
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
      <h2 id="unsaved-title">{t(safe ? 'sign-out.question' : 'sign-out.unsaved')}</h2>
      <div id="unsaved-text">
        {safe && <p>{t('sign-out.saved')}</p>}
        {pending > 0 && (
          <p>{t(pending === 1 ? 'sign-out.unsaved.1' : 'sign-out.unsaved.n', { n: pending })}</p>
        )}
        {more && <p>{t('sign-out.more')}</p>}
      </div>
      <div className="actions">
        <button type="button" className="primary" onClick={() => answer(false)}>
          {t('sign-out.stay')}
        </button>
        <button type="button" className="quiet" onClick={() => answer(true)}>
          {t(safe ? 'sign-out' : 'sign-out.discard')}
        </button>
      </div>
    </dialog>
  )
}
