/**
 * `HOST:PORT` of `--listen`.
 *
 * @module
 */
import { isIPv6 } from 'node:net'
import { ProgramError } from '../errors.ts'

/** Where a service listens. */
export interface ListenAddress {
  host: string
  port: number
}

/**
 * Reads `HOST:PORT`, `:PORT`, `PORT` or `[IPV6]:PORT`.
 *
 * @throws {@link ProgramError} `usage`
 */
export function parseListenAddress(text: string, defaultHost = '127.0.0.1'): ListenAddress {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]:|([^:[\]]*):)?(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (digits === undefined || port > 65_535 || (bracketed !== undefined && !isIPv6(bracketed))) {
    throw new ProgramError('usage', `"${text}" is not an address to listen on`, {
      hint: 'write HOST:PORT, as in 127.0.0.1:8443 or [::1]:8443',
    })
  }
  const host = bracketed ?? plain ?? ''
  return { host: host === '' ? defaultHost : host, port }
}
