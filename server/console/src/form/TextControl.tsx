/**
 * Boxes for text: one whose text is in an entity, where others may be typing too, and one for what
 * is replaced as a whole.
 *
 * A composition (accents, Chinese, …) is never interrupted.
 */

import { bindText, type Entity } from 'indelible'
import { type ComponentProps, useEffect, useLayoutEffect, useRef } from 'react'

type Box = HTMLInputElement | HTMLTextAreaElement

type Passed = Omit<
  ComponentProps<'textarea'> & ComponentProps<'input'>,
  'value' | 'defaultValue' | 'onChange' | 'onInput' | 'ref' | 'type'
>

interface SharedProps extends Passed {
  readonly entity: Entity
  readonly pointer: string
  /** Why the letters in the box are not accepted; `null`: they are (again). */
  readonly onRefused: (error: Error | null, text: string) => void
}

/** A text of an entity. What is not accepted stays in the box. */
export function SharedText({ entity, pointer, onRefused, ...passed }: SharedProps) {
  const box = useRef<HTMLTextAreaElement | null>(null)
  const report = useRef(onRefused)
  useLayoutEffect(() => {
    report.current = onRefused
  })
  useEffect(() => {
    const element = box.current
    if (element === null) return
    return bindText(element, entity, pointer, {
      refused: 'keep',
      onError: error => report.current(error, element.value),
    })
  }, [entity, pointer])
  return <textarea {...passed} ref={box} />
}

interface Props extends Passed {
  readonly text: string
  readonly onText: (text: string) => void
  readonly multiline?: boolean
}

/** A value that is replaced as a whole, as text. */
export function TextControl({ text, onText, multiline = false, ...passed }: Props) {
  const box = useRef<Box | null>(null)
  const composing = useRef(false)

  useLayoutEffect(() => {
    if (box.current && !composing.current) show(box.current, text)
  }, [text])

  const take = () => {
    const current = box.current
    if (current !== null && !composing.current && current.value !== text) onText(current.value)
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
      take()
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

/** The text after the caret says where the caret belongs in the new text. */
function show(box: Box, text: string): void {
  if (box.value === text) return
  const { value, selectionStart, selectionEnd, selectionDirection, scrollTop } = box
  const focused = box.ownerDocument.activeElement === box
  const behind = value.slice(selectionEnd ?? 0)
  const shift = text.endsWith(behind) ? text.length - value.length : 0
  box.value = text
  if (!focused) return
  const place = (old: number | null) => Math.max(0, (old ?? 0) + shift)
  box.setSelectionRange(place(selectionStart), place(selectionEnd), selectionDirection ?? 'none')
  box.scrollTop = scrollTop
}
