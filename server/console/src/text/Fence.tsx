/** Keeps a fault in a page from leaving it blank. */

import { Component, type ReactNode } from 'react'
import { useLanguage } from './language.tsx'

export class Fence extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null }

  static getDerivedStateFromError(error: Error) {
    return { error }
  }

  override render() {
    const { error } = this.state
    if (error === null) return this.props.children
    return <Broken error={error} again={() => this.setState({ error: null })} />
  }
}

function Broken({ error, again }: { error: Error; again: () => void }) {
  const { t } = useLanguage()
  return (
    <main className="notice" role="alert">
      <h1>{t('load.crash')}</h1>
      <p className="help">{error.message}</p>
      <button type="button" className="primary" onClick={again}>
        {t('retry')}
      </button>
    </main>
  )
}
