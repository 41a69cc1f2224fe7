/** The first heading of a screen, which also names the browser's tab and takes the focus when the screen appears. */
import type { JSX } from 'preact'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'

export function Heading(props: {
  text: string
  /** Leaves the focus alone, where a field of the screen takes it. @defaultValue true */
  focus?: boolean | undefined
}): JSX.Element {
  const { text, focus = true } = props
  const element = useRef<HTMLHeadingElement>(null)
  useLayoutEffect(() => {
    document.title = `${text} · Countersign`
  }, [text])
  useEffect(() => {
    // Not on the first load of the page, where it would only draw a ring around the title.
    if (focus && hasInteracted()) element.current?.focus({ preventScroll: true })
  }, [])
  return (
    <h1 ref={element} tabIndex={-1}>
      {text}
    </h1>
  )
}

function hasInteracted(): boolean {
  return navigator.userActivation?.hasBeenActive ?? false
}
