/**
 * The part of the address behind `#`: which screen, and what it shows.
 *
 * @module
 */
import { signal } from '@preact/signals'

/** The ledger: what is searched, and the certificate that is looked at. */
export interface CertificatesRoute {
  readonly screen: 'certificates'
  readonly serial: string | undefined
  readonly text: string
  readonly expiring: boolean
}

/** A screen and what it shows. */
export type Route = CertificatesRoute | { readonly screen: 'sessions' }

/** The screen now. */
export const route = signal<Route>(parseRoute(location.hash))

addEventListener('hashchange', () => {
  route.value = parseRoute(location.hash)
})

/** Reads an address; what is not understood is the first screen. */
function parseRoute(hash: string): Route {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?', 2)
  const [screen, detail] = path.split('/')
  if (screen === 'sessions') return { screen }
  const parameters = new URLSearchParams(search)
  return {
    screen: 'certificates',
    serial: screen === 'certificates' && detail !== '' ? detail : undefined,
    text: parameters.get('q') ?? '',
    expiring: parameters.has('expiring'),
  }
}

/** The address of a screen. */
export function hrefOf(target: Route): string {
  if (target.screen === 'sessions') return '#/sessions'
  const parameters = new URLSearchParams()
  if (target.text !== '') parameters.set('q', target.text)
  if (target.expiring) parameters.set('expiring', '14d')
  const search = parameters.size === 0 ? '' : `?${parameters}`
  return `#/certificates${target.serial === undefined ? '' : `/${target.serial}`}${search}`
}

/** Shows a screen; `replace` keeps what was before it out of the history, for typing. */
export function goTo(target: Route, replace = false): void {
  const href = hrefOf(target)
  if (replace) history.replaceState(null, '', href)
  else history.pushState(null, '', href)
  route.value = target
}
