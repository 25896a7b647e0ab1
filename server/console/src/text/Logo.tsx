/** The product's sign and name. */
import { useLanguage } from './language.tsx';

export function Logo() {
  const { t } = useLanguage();
  return (
    <span className="logo">
      <svg viewBox="0 0 32 32" aria-hidden="true" focusable="false">
        <rect width="32" height="32" rx="8" />
        <path d="M16 5c4.600 6.200 7 9.900 7 13.200a7 7 0 0 1-14 0C9 14.900 11.400 11.200 16 5z" />
      </svg>
      {t('product')}
    </span>
  );
}
