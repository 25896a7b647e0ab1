/**
 * The events of a page's life that matter to a connection. They are hints: none proves that a
 * connection is alive or dead. Outside of browsers there are none.
 */

/** What is called for each event. */
export interface PageListener {
  /** The page, the machine or the network is back: a silent connection may be dead. */
  onWake(): void
  /** The network may be gone. */
  onDoubt(): void
  /** The page is left. Browsers keep it for going back only if it holds no connection. */
  onLeave(): void
  /** The page is shown again after it was left. */
  onReturn(): void
  /** The page's own rules (`connect-src`) forbade this address, of which the scheme may be all. */
  onForbidden(address: string): void
}

interface PageEvent {
  readonly persisted?: boolean
  readonly effectiveDirective?: string
  readonly blockedURI?: string
}

interface Target {
  addEventListener?(type: string, listener: (event: PageEvent) => void): void
  removeEventListener?(type: string, listener: (event: PageEvent) => void): void
}

const tab = globalThis as Target & {
  readonly document?: Target & { readonly visibilityState?: string }
}

/** Listens until the function that it returns is called. */
export function watchPage(listener: PageListener): () => void {
  const wake = (): void => listener.onWake()
  const onTab: Readonly<Record<string, (event: PageEvent) => void>> = {
    online: wake,
    offline: () => listener.onDoubt(),
    pageshow: event => (event.persisted === true ? listener.onReturn() : listener.onWake()),
    pagehide: () => listener.onLeave(),
  }
  const onDocument: typeof onTab = {
    visibilitychange: () => {
      if (tab.document?.visibilityState === 'visible') listener.onWake()
    },
    // The browser had stopped the page, to save power or memory.
    resume: wake,
    securitypolicyviolation: ({ effectiveDirective, blockedURI = '' }) => {
      if (effectiveDirective === 'connect-src') listener.onForbidden(blockedURI)
    },
  }
  each('addEventListener', tab, onTab)
  each('addEventListener', tab.document, onDocument)
  return () => {
    each('removeEventListener', tab, onTab)
    each('removeEventListener', tab.document, onDocument)
  }
}

function each(
  call: 'addEventListener' | 'removeEventListener',
  target: Target | undefined,
  listeners: Readonly<Record<string, (event: PageEvent) => void>>,
): void {
  for (const [type, listener] of Object.entries(listeners)) target?.[call]?.(type, listener)
}
