/**
 * A line of the access log for people: `05:12:33 127.0.0.1 GET /index.html 200 1.2 kB 0.8 ms TLSv1.3 CN=ada`.
 *
 * @module
 */
import { styleText } from 'node:util'

/**
 * Makes it.
 *
 * @param json - the line as it would stand in a file; what a client wrote is escaped in it
 */
export function readableLine(json: string, colours: boolean): string {
  const facts: unknown = JSON.parse(json)
  const at = (...names: string[]): string => textAt(facts, names)
  const paint: Paint = (style, text) =>
    colours && text !== '' ? styleText(style, text, { validateStream: false }) : text
  const time = paint('dim', at('time').slice(11, 19))
  if (at('event') === 'refused') {
    return join([time, at('address'), paint('red', `refused (${at('code')})`), at('reason')])
  }
  const status = at('status')
  const said = at('aborted') === 'true' ? `${status === '' ? '-' : status} aborted` : status
  return join([
    time,
    at('forwardedFor') || at('address'),
    paint('bold', at('method')),
    at('path'),
    paint(colourOf(status), said),
    at('code'),
    sizeOf(Number(at('bytesOut'))),
    `${at('durationMs')} ms`,
    at('tls', 'version'),
    paint('cyan', at('client', 'spiffe') || at('client', 'subject')),
    paint('yellow', at('warning')),
  ])
}

type Style = 'dim' | 'red' | 'bold' | 'green' | 'yellow' | 'cyan'
type Paint = (style: Style, text: string) => string

function join(parts: readonly string[]): string {
  return `${parts.filter((part) => part !== '').join(' ')}\n`
}

function textAt(value: unknown, names: readonly string[]): string {
  let found = value
  for (const name of names) {
    if (typeof found !== 'object' || found === null) return ''
    found = Reflect.get(found, name)
  }
  if (typeof found === 'string') return found
  return typeof found === 'number' || typeof found === 'boolean' ? String(found) : ''
}

function colourOf(status: string): Style {
  if (status.startsWith('5')) return 'red'
  if (status.startsWith('4') || status === '') return 'yellow'
  return status.startsWith('3') ? 'cyan' : 'green'
}

function sizeOf(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const kilobytes = bytes / 1000
  return kilobytes < 1000 ? `${kilobytes.toFixed(1)} kB` : `${(kilobytes / 1000).toFixed(1)} MB`
}
