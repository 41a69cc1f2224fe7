/**
 * What a service is started with, before anything is opened: the options of this start over the settings of the data folder.
 *
 * @module
 */
import { hostname } from 'node:os'
import type { Authority } from '@countersign/authority'
import type { Clock } from '@countersign/core'
import type { ListeningSocket } from '@countersign/server'
import { parseGeneralName } from '@countersign/x509'
import { refuseWrongClock } from '../clock.ts'
import { readConfiguration } from '../configuration.ts'
import type { Configuration } from '../configuration-file.ts'
import type { DataFolder } from '../data-folder.ts'
import { givenPassphrase } from '../open-data.ts'
import type { ServiceUser } from '../serve/privileges.ts'
import type { AcmeSettings } from './acme-settings.ts'
import { issuerAddress } from './issuer-address.ts'
import { parseListenAddress } from './listen-address.ts'
import { type PublicAddressFacts, publicAddress } from './public-address.ts'
import { permittedNames } from './server-certificate.ts'

/** What `countersign up` can be told. */
export interface ServiceOptions {
  data: DataFolder
  /** `HOST:PORT`. @defaultValue the folder's setting, else `127.0.0.1:8443` */
  listen?: string | undefined
  /** A socket that listens already, instead of that. */
  socket?: ListeningSocket | undefined
  /** Who the service becomes once the port is open. @defaultValue whoever started it */
  user?: ServiceUser | undefined
  /** Further host names of the service's own certificate. */
  names?: readonly string[] | undefined
  /** Database URL. @defaultValue the folder's setting, else its own SQLite file */
  database?: string | undefined
  /** How ACME validates, and whom it serves. */
  acme?: AcmeSettings | undefined
  /** Whether callers are asked for a certificate of the authority. @defaultValue true */
  userCertificates?: boolean | undefined
  /** Who gets nothing without a second factor. @defaultValue the folder's setting, else nobody */
  requireSecondFactor?: Configuration['requireSecondFactor']
  /** As `serve` of the server room has it. @defaultValue none */
  accessLog?: string | boolean | undefined
  /** A remark for the operator. */
  note: (text: string) => void
  clock?: Clock | undefined
  /** How often the service looks whether its own certificate is due or was revoked, in milliseconds. @defaultValue 1000 */
  renewalCheckMs?: number | undefined
}

/** The options and the settings of the folder, settled. */
export interface ServiceSettings {
  readonly host: string
  /** 0 for any. */
  readonly port: number
  /** Host names that the operator gave: those of the folder, then those of this start. */
  readonly asked: readonly string[]
  readonly configuration: Configuration
  /** Read before rights are given up; `undefined` where the folder's own is used. */
  readonly passphrase: string | undefined
  readonly address: Omit<PublicAddressFacts, 'port'>
}

/**
 * Settles them.
 *
 * @throws ProgramError `clock-wrong`, `configuration-invalid`, `usage`, `file-unreadable`; X509Error for what is no name
 */
export async function readSettings(
  options: ServiceOptions,
  clock: Clock,
): Promise<ServiceSettings> {
  refuseWrongClock(clock)
  const configuration = await readConfiguration(options.data)
  const { host, port } = parseListenAddress(
    options.listen ?? configuration.listen ?? '127.0.0.1:8443',
  )
  const [given, kept] = [options.names ?? [], configuration.names ?? []]
  const asked = [...kept, ...given]
  // Before anything is made: what is no name at all.
  for (const name of asked) parseGeneralName(name)
  return {
    host,
    port,
    asked,
    configuration,
    passphrase: givenPassphrase(),
    address: {
      configured: configuration.publicUrl,
      names: [...given, ...kept],
      host,
      localNames: localNames(),
    },
  }
}

/** Where clients reach a service on this port by plain HTTP, and who it is to those that get tokens. */
export function addressesOf(
  { address }: ServiceSettings,
  port: number,
): { publicUrl: string; issuer: string } {
  const facts = { ...address, port }
  return { publicUrl: publicAddress(facts), issuer: issuerAddress(facts) }
}

/** The names of the service's certificate. @throws ProgramError `name-not-permitted` */
export function certifiedNames(
  { host, asked, address }: ServiceSettings,
  authority: Authority,
): string[] {
  return permittedNames(authority, asked, [
    'localhost',
    '127.0.0.1',
    '::1',
    ...(isWildcardAddress(host) ? [] : [host]),
    ...address.localNames,
  ])
}

/** How the address is written in a URL: a name that the certificate covers. */
export function urlHost(host: string, names: readonly string[]): string {
  const local = isWildcardAddress(host) || ['127.0.0.1', '::1', 'localhost'].includes(host)
  const name = local ? (names[0] ?? 'localhost') : host
  return name.includes(':') ? `[${name}]` : name
}

/** This machine's own name, where it is a host name at all. */
function localNames(): string[] {
  const name = hostname().toLowerCase()
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/.test(name)
    ? [name]
    : []
}

/** Every address of the machine, which is none that a certificate could name. */
function isWildcardAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
