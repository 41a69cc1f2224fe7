/**
 * Who the service is to clients that get tokens from it: the https address by which they reach it.
 *
 * @module
 */
import type { PublicAddressFacts } from './public-address.ts'

/**
 * The host that the operator named, in the setting `publicUrl` or by name; else what is listened on, by a name of the service's
 * certificate where that is this machine only; for every address of the machine, its own name.
 *
 * @returns `https://HOST:PORT`, the port left out where it is 443
 */
export function issuerAddress(facts: PublicAddressFacts): string {
  const { configured, names, host, localNames, port } = facts
  const given = names.find((name) => !name.includes('*'))
  const name = configured === undefined ? (given ?? ownName(host, localNames)) : hostOf(configured)
  const written = name.includes(':') && !name.startsWith('[') ? `[${name}]` : name
  return new URL(`https://${written}:${port}`).origin
}

function ownName(host: string, localNames: readonly string[]): string {
  if (host === '0.0.0.0' || host === '::') return localNames[0] ?? 'localhost'
  return host === '127.0.0.1' || host === '::1' ? 'localhost' : host
}

function hostOf(url: string): string {
  return new URL(url).hostname
}
