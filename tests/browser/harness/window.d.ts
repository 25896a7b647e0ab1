import type { IndelibleClient } from 'indelible'

declare global {
  interface Window {
    indelible?: { readonly client: IndelibleClient }
  }
}
