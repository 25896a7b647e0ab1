/** The product's sign and name. */
import { useLanguage } from './language.tsx'

export function Logo() {
  const { t } = useLanguage()
  return (
    <span className="logo">
      <svg viewBox="0 0 32 32" aria-hidden="true" focusable="false">
        <rect width="32" height="32" rx="8" />
        <path d="M16 5c4.6 6.2 7 9.9 7 13.2a7 7 0 0 1-14 0C9 14.9 11.4 11.2 16 5z" />
      </svg>
      {t('product')}
    </span>
  )
}
