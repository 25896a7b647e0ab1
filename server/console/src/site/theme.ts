/** The look that the settings ask for: light, dark or as the visitor's system, and the accent. */

import { useEffect } from 'react'
import type { Settings } from './content.ts'

const HEX_COLOUR = /^#[0-9a-f]{6}$/i

export function useTheme(theme: Settings['theme'] | undefined): void {
  const mode = theme?.mode ?? 'system'
  const accent = theme?.accent
  useEffect(() => {
    const { style } = document.documentElement
    style.colorScheme = mode === 'system' ? 'light dark' : mode
    if (accent !== undefined && HEX_COLOUR.test(accent)) style.setProperty('--brand', accent)
    else style.removeProperty('--brand')
  }, [mode, accent])
}
