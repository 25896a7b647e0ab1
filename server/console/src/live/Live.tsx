/**
 * Text that glows for a moment when it changed or came, so that a visitor sees what is new.
 *
 * What was there when the page was first shown is not news.
 */

import { createContext, type ReactNode, type RefObject, useContext, useEffect, useRef } from 'react'

const Settled = createContext<RefObject<boolean>>({ current: false })

/** Everything inside is news from the moment `settled` holds. */
export function News({ settled, children }: { settled: boolean; children: ReactNode }) {
  const ref = useRef(false)
  // Runs after the effects of all that came together with the first content.
  useEffect(() => {
    ref.current = settled
  }, [settled])
  return <Settled value={ref}>{children}</Settled>
}

/** The element for `text`; nothing when there is no text. */
export function Live({
  text,
  as: Element = 'span',
}: {
  text: string | undefined
  as?: 'span' | 'p'
}) {
  const settled = useContext(Settled)
  const element = useRef<HTMLElement>(null)
  const present = text !== undefined && text !== ''
  const shown = useRef<string>(undefined)
  useEffect(() => {
    if (present && settled.current && text !== shown.current) glow(element.current)
    shown.current = text
  }, [text, present, settled])
  if (!present) return null
  return (
    <Element
      className="live-text"
      ref={(made: HTMLElement | null) => {
        element.current = made
      }}
    >
      {text}
    </Element>
  )
}

function glow(element: HTMLElement | null): void {
  element?.animate([{ backgroundColor: 'var(--flash)' }, { backgroundColor: 'transparent' }], {
    duration: 2400,
    easing: 'ease-out',
  })
}

/** A long text, a paragraph for each part between empty lines. */
export function Paragraphs({ text = '' }: { text: string | undefined }) {
  // A paragraph that changes stays one element.
  const paragraphs = text.split(/\n{2,}/).map((paragraph, place) => ({ place, paragraph }))
  return paragraphs.map(({ place, paragraph }) => <Live key={place} as="p" text={paragraph} />)
}
