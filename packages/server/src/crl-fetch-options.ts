/**
 * How a server fetches the revocation lists of URLs.
 *
 * @module
 */
import path from 'node:path'
import { checkOptions } from '@countersign/core'
import { type CaSources, createDefaultContext, type TlsContext } from '@countersign/tls'
import { ServerError } from './errors.ts'
import { checkedHosts } from './list-url.ts'

/** How lists are fetched: those whose URL stands in `crl`, and those that certificates name. */
export interface CrlFetchOptions {
  /** At least so often; sooner where the next list is due. Not a byte is sent of a list that is the same (ETag). @defaultValue 300000 */
  everyMs?: number | undefined
  /** How long one attempt may take, as a whole. @defaultValue 10000 */
  timeoutMs?: number | undefined
  /** The longest list. @defaultValue 67108864 (64 MiB) */
  maxBytes?: number | undefined
  /**
   * What a start is worth without a list, fetched or kept: nothing, so that it fails; or a server that refuses every client whose
   * certificate it cannot check (403 `crl-missing`) until the list is there. @defaultValue 'fail'
   */
  atStart?: 'fail' | 'refuse-clients' | undefined
  /** A folder for the last good lists, so that a start needs no authority; made 0700. @defaultValue none: kept in memory alone */
  folder?: string | undefined
  /** Verifies the host of an https URL. @defaultValue the default trust store */
  ca?: CaSources | undefined
  /**
   * Follow the distribution points of the server's own chain, of `ca`, and of clients that were verified, to these hosts and no other:
   * `['ca.corp.internal', '10.0.0.7:8443']`. @defaultValue none: only the URLs of `crl`
   */
  fromCertificates?: readonly string[] | undefined
}

/** The same, checked. */
export interface CrlFetching {
  readonly everyMs: number
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly atStart: 'fail' | 'refuse-clients'
  readonly folder: string | undefined
  readonly hosts: ReadonlySet<string>
  /** Made when it is first needed: the default trust store takes a while. */
  readonly context: () => TlsContext
}

/**
 * Fills in the defaults.
 *
 * @throws CoreError `option-unknown`; {@link ServerError} `option-invalid`
 */
export function resolveCrlFetching(options: CrlFetchOptions): CrlFetching {
  checkOptions(options, OPTIONS, 'serve: crlFetch')
  const { everyMs = 300_000, timeoutMs = 10_000, maxBytes = MOST_BYTES } = options
  const { atStart = 'fail', folder, ca, fromCertificates } = options
  checkNumber('everyMs', everyMs, 1000, LONGEST_MS)
  checkNumber('timeoutMs', timeoutMs, 1, LONGEST_MS)
  checkNumber('maxBytes', maxBytes, 1, MOST_BYTES)
  if (atStart !== 'fail' && atStart !== 'refuse-clients') {
    throw invalid('atStart', "must be 'fail' or 'refuse-clients'")
  }
  if (folder === '') throw invalid('folder', 'is empty')
  let context: TlsContext | undefined
  return {
    everyMs,
    timeoutMs,
    maxBytes,
    atStart,
    folder: folder === undefined ? undefined : path.resolve(folder),
    hosts:
      fromCertificates === undefined
        ? new Set()
        : checkedHosts(fromCertificates, 'crlFetch.fromCertificates'),
    context: () => (context ??= createDefaultContext(ca === undefined ? {} : { ca })),
  }
}

function checkNumber(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw invalid(name, `must be a whole number from ${least} to ${most}`)
}

function invalid(name: string, fault: string): ServerError {
  return new ServerError('option-invalid', `crlFetch.${name} ${fault}`, {
    option: `crlFetch.${name}`,
  })
}

const OPTIONS: readonly (keyof CrlFetchOptions)[] = [
  'everyMs',
  'timeoutMs',
  'maxBytes',
  'atStart',
  'folder',
  'ca',
  'fromCertificates',
]
/** What x509 reads at most. */
const MOST_BYTES = 64 * 1024 * 1024
const LONGEST_MS = 0x7fff_ffff
