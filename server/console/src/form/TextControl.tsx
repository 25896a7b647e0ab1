/**
 * A text box that others may be typing in too.
 *
 * Invariant: what others write appears at once, and the caret and selection stay with the
 * characters around them; a composition (accents, Chinese, …) is never interrupted, what arrived
 * meanwhile is put together with it at its end. Knows no entity.
 */

import { type ComponentProps, useLayoutEffect, useRef } from 'react'
import { applySplice, mapOffset, rebase, spliceBetween } from '../text/splice.ts'

type Box = HTMLInputElement | HTMLTextAreaElement

type Passed = Omit<
  ComponentProps<'textarea'> & ComponentProps<'input'>,
  'value' | 'defaultValue' | 'onChange' | 'onInput' | 'ref' | 'type'
>

interface Props extends Passed {
  readonly text: string
  readonly onText: (text: string) => void
  readonly multiline?: boolean
}

export function TextControl({ text, onText, multiline = false, ...passed }: Props) {
  const box = useRef<Box | null>(null)
  /** What the box held when its owner last saw or made it. */
  const shown = useRef(text)
  const composing = useRef(false)

  useLayoutEffect(() => {
    if (box.current && !composing.current) {
      show(box.current, text)
      shown.current = text
    }
  }, [text])

  const take = () => {
    const current = box.current
    if (current === null || composing.current) return
    const local = spliceBetween(shown.current, current.value)
    const remote = spliceBetween(shown.current, text)
    if (local === null) return
    const next = remote === null ? current.value : applySplice(text, rebase(local, remote))
    if (remote !== null) show(current, next)
    shown.current = next
    onText(next)
  }

  const shared = {
    ...passed,
    defaultValue: text,
    onInput: take,
    onCompositionStart: () => {
      composing.current = true
    },
    onCompositionEnd: () => {
      composing.current = false
      const unchanged = box.current?.value === shown.current
      if (!unchanged) take()
      else if (box.current) {
        // Nothing was composed after all: only what others wrote is left to show.
        show(box.current, text)
        shown.current = text
      }
    },
  }
  const attach = (element: Box | null) => {
    box.current = element
  }
  return multiline ? (
    <textarea {...shared} ref={attach} />
  ) : (
    <input {...shared} ref={attach} type="text" />
  )
}

function show(box: Box, text: string): void {
  const splice = spliceBetween(box.value, text)
  if (splice === null) return
  const focused = box.ownerDocument.activeElement === box
  const { selectionStart, selectionEnd, selectionDirection, scrollTop } = box
  box.value = text
  if (!focused) return
  box.setSelectionRange(
    mapOffset(selectionStart ?? 0, splice),
    mapOffset(selectionEnd ?? 0, splice),
    selectionDirection ?? 'none',
  )
  box.scrollTop = scrollTop
}
