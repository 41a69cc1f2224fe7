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

/** The account: what is being added or changed, where something is. */
export interface AccountRoute {
  readonly screen: 'account'
  readonly task: AccountTask | undefined
}

/** What can be done on the screen of the account; the names are those of the service where it has some. */
export type AccountTask = (typeof TASKS)[number]

/** A screen and what it shows. `password` takes a one-time code from whoever has one, signed in or not. */
export type Route =
  | CertificatesRoute
  | AccountRoute
  | { readonly screen: 'sessions' }
  | { readonly screen: 'password' }

const TASKS = ['totp', 'passkey', 'client_cert', 'jwk', 'recovery', 'change-password'] as const

/** The first screen. */
export const START: Route = { screen: 'certificates', serial: undefined, text: '', expiring: false }

/** The screen now. */
export const route = signal<Route>(parseRoute(location.hash))

addEventListener('hashchange', () => {
  route.value = parseRoute(location.hash)
})

/** Reads an address; what is not understood is the first screen. */
function parseRoute(hash: string): Route {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?', 2)
  const [screen, detail] = path.split('/')
  if (screen === 'sessions' || screen === 'password') return { screen }
  if (screen === 'account') return { screen, task: TASKS.find((task) => task === detail) }
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
  if (target.screen === 'account') {
    return target.task === undefined ? '#/account' : `#/account/${target.task}`
  }
  if (target.screen !== 'certificates') return `#/${target.screen}`
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
