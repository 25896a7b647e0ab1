/** Why something that a page shows is not here, in words for people. */

import type { Text } from '../text/messages.ts'

/** What to say of the code of an entity or a collection without a value. */
export function whyAbsent(code: string): Text {
  switch (code) {
    case 'deleted':
      return 'load.deleted.lead'
    case 'forbidden':
    case 'no-kind':
    case 'unauthorized':
    case 'principal':
      return 'load.no-access'
    case 'not-found':
    case 'name':
      return 'load.gone'
    case 'wasm':
      return 'trouble.wasm'
    default:
      return 'load.later'
  }
}
