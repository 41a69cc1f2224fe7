/**
 * URLs of revocation lists and responders: which texts are one, and which may be asked.
 *
 * @module
 */
import type { CrlSource } from '@countersign/tls'
import { ServerError } from './errors.ts'

/** Whether a source is the URL of a list. */
export function isListUrl(source: CrlSource): source is string {
  return typeof source === 'string' && /^https?:\/\//i.test(source)
}

/**
 * A URL as it is asked for.
 *
 * @param option - where it was given, for the message
 * @throws {@link ServerError} `option-invalid` for what is no URL, or holds a password
 */
export function checkedUrl(text: string, option: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol) || url.hostname === '') {
    throw invalid(option, `${JSON.stringify(text.slice(0, 200))} is no http or https URL`)
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid(option, `the URL of ${url.host} holds a user name or password`)
  }
  url.hash = ''
  return url
}

/**
 * Hosts that may be asked because a certificate says so: `ca.corp.internal`, with its port where that is not the usual one.
 *
 * @throws {@link ServerError} `option-invalid`
 */
export function checkedHosts(hosts: readonly string[], option: string): ReadonlySet<string> {
  if (!Array.isArray(hosts) || hosts.length === 0) {
    throw invalid(option, 'names no host that may be asked')
  }
  return new Set(
    hosts.map((host) => {
      const url = URL.canParse(`http://${host}/`) ? new URL(`http://${host}/`) : undefined
      const isHost = url !== undefined && url.host.toLowerCase() === host.toLowerCase()
      if (isHost) return url.host
      throw invalid(option, `${JSON.stringify(host)} is no host, or host with port`)
    }),
  )
}

function invalid(option: string, fault: string): ServerError {
  return new ServerError('option-invalid', `${option}: ${fault}`, {
    option,
    hint: 'write it as in http://ca.corp.internal/crl/issuer.crl',
  })
}
