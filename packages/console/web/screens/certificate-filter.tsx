/** Search and filter; both live in the address, so that a view can be kept and sent. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { Icon } from '../parts/icons.tsx'
import { type CertificatesRoute, goTo } from '../route.ts'

export function CertificateFilter(props: { route: CertificatesRoute }): JSX.Element {
  const { route } = props
  const typed = useSignal(route.text)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  // The address may change by itself: back and forward, or a link.
  useEffect(() => {
    typed.value = route.text
  }, [route.text])
  const search = (text: string): void => {
    clearTimeout(timer.current)
    goTo({ ...route, serial: undefined, text: text.trim() }, true)
  }
  return (
    <search class="filter">
      <form
        class="filter-search"
        onSubmit={(event) => {
          event.preventDefault()
          search(typed.value)
        }}
      >
        <Icon name="search" />
        <label class="visually-hidden" for="certificate-search">
          Search certificates by name, serial number or who asked
        </label>
        <input
          id="certificate-search"
          type="search"
          placeholder="Name, serial number, who asked"
          autoComplete="off"
          spellcheck={false}
          value={typed.value}
          onInput={(event) => {
            typed.value = event.currentTarget.value
            clearTimeout(timer.current)
            timer.current = setTimeout(() => search(typed.value), 250)
          }}
        />
      </form>
      <fieldset class="filter-choice">
        <legend class="visually-hidden">Which certificates</legend>
        {CHOICES.map(({ text, expiring }) => (
          <label key={text}>
            <input
              type="radio"
              name="which"
              checked={route.expiring === expiring}
              onChange={() => goTo({ ...route, serial: undefined, expiring })}
            />
            <span>{text}</span>
          </label>
        ))}
      </fieldset>
    </search>
  )
}

const CHOICES = [
  { text: 'All', expiring: false },
  { text: 'Expiring in 14 days', expiring: true },
] as const
