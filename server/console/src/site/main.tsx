/** The demo company’s public page: anonymous, and always as the backoffice has just saved it. */

import '../style.css'
import './site.css'
import { IndelibleClient } from 'indelible'
import { createRoot } from 'react-dom/client'
import { Fence } from '../text/Fence.tsx'
import { LanguageProvider } from '../text/language.tsx'
import { Site } from './Site.tsx'

const client = new IndelibleClient({ url: new URL('/sync', location.href), name: 'indelible-site' })

const root = document.getElementById('root')
if (root === null) throw new Error('the page has no #root')
createRoot(root).render(
  <LanguageProvider>
    <Fence>
      <Site client={client} />
    </Fence>
  </LanguageProvider>,
)
