/** A time for people, with the exact one for machines and for those who ask. */
import type { JSX } from 'preact'
import { dayText, momentText } from '../time.ts'

export function TimeOf(props: { date: Date; text?: string | undefined }): JSX.Element {
  const { date, text } = props
  return (
    <time dateTime={date.toISOString()} title={momentText(date)}>
      {text ?? dayText(date)}
    </time>
  )
}
