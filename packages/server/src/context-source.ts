/**
 * From the options to what a server starts with, and to the next when it reloads: its own certificates and rules, and those of
 * every host that has some of its own.
 *
 * Paths are kept as paths, so that a reload reads the files as they are then. Not here: how terms are made of one source
 * (`terms.ts`).
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import type { ClientCertificates } from '@countersign/tls'
import type { Certificate } from '@countersign/x509'
import { type Adhoc, makeAdhoc } from './adhoc.ts'
import { predicateOf } from './certificate-rule.ts'
import { ServerError } from './errors.ts'
import { keepSame, readHosts } from './hosts-file.ts'
import {
  HOST_OPTIONS,
  type HostOptions,
  type HostsFile,
  type ReloadOptions,
  type ServeOptions,
  type TlsSources,
} from './options.ts'
import type { RevocationOptions } from './revocation-index.ts'
import { checkedPattern } from './sites.ts'

/** Everything the sites of a server are made from. */
export interface ServerSource {
  readonly main: TermsSource
  /** As they were given, by pattern. */
  readonly hosts: ReadonlyMap<string, HostOptions>
  /** Where the hosts stand; `undefined` where they were given. */
  readonly hostsFile: HostsFile | undefined
}

/** Everything the terms of one site are made from. */
export interface TermsSource {
  /** The host it is for; `undefined` for the server's own. */
  readonly pattern: string | undefined
  readonly sources: TlsSources
  readonly fixed: FixedSettings
  /** What adhoc made: the certificate until another is given. */
  readonly adhoc: Adhoc | undefined
}

/** What a reload cannot change. */
export type FixedSettings = Pick<
  ServeOptions,
  'profile' | 'minVersion' | 'maxVersion' | 'danger'
> & {
  readonly clientCertificates: ClientCertificates
  readonly strict: boolean
  readonly revocation: RevocationOptions
  /** Which certificates that count may come in; `undefined` for all of them. */
  readonly permits: ((certificate: Certificate) => boolean) | undefined
}

/**
 * Whether the options ask for HTTPS, and everything about them that does not fit together.
 *
 * @throws {@link ServerError} `https-required`, `certificate-required`, `client-ca-required`, `option-conflict`
 */
export function wantsHttps(options: ServeOptions): boolean {
  const identity = options.cert ?? options.pfx ?? options.context ?? (options.adhoc || undefined)
  const https = options.https ?? identity !== undefined
  const verifies = options.verifyUser !== undefined && options.verifyUser !== false
  if (!https) {
    for (const option of HTTPS_ONLY) {
      if (options[option] === undefined || options[option] === false) continue
      throw conflict(option, `option ${option} needs https`, 'pass https: true with a certificate')
    }
    if (!verifies) return false
    throw new ServerError('https-required', 'verifyUser needs https', {
      option: 'verifyUser',
      hint: 'pass https: true with a certificate, or leave verifyUser out',
    })
  }
  if (identity === undefined) {
    throw new ServerError('certificate-required', 'https needs a certificate', {
      option: 'cert',
      hint: 'pass cert and key (countersign issue NAME makes them), or adhoc: true for a throw-away one',
    })
  }
  refuseConflicts(options)
  if (verifies && options.ca === undefined && options.context === undefined) {
    // Node would believe every public authority.
    throw new ServerError('client-ca-required', 'verifyUser needs the authorities it believes', {
      option: 'ca',
      hint: 'pass the root of your clients as ca',
    })
  }
  return true
}

/**
 * What a server starts from.
 *
 * @throws {@link ServerError} `option-invalid`; CoreError `option-unknown`
 */
export function serverSource(options: ServeOptions, host: string): ServerSource {
  const { cert, key, passphrase, pfx, moreCertificates, ca, crl, context } = options
  const { profile, minVersion, maxVersion, danger, adhoc } = options
  const hosts = checkedHosts(options.hosts ?? {})
  return {
    main: {
      pattern: undefined,
      sources: { cert, key, passphrase, pfx, moreCertificates, ca, crl, context },
      fixed: {
        profile,
        minVersion,
        maxVersion,
        danger,
        clientCertificates: policyOf(options.verifyUser ?? false),
        strict: options.strict ?? false,
        revocation: checkedRevocation(options.revocation ?? {}),
        permits: options.permit && predicateOf(options.permit, 'serve: permit'),
      },
      adhoc:
        adhoc === undefined || adhoc === false
          ? undefined
          : madeAdhoc(host, adhoc === true ? {} : adhoc, [...hosts.keys()]),
    },
    hosts,
    hostsFile: options.hostsFile,
  }
}

/**
 * The options with the hosts of their file.
 *
 * @throws {@link ServerError} `option-conflict`, `option-invalid`; what reading the file throws
 */
export function withHosts(options: ServeOptions): ServeOptions {
  if (options.hostsFile === undefined) return options
  checkOptions(options.hostsFile, ['file', 'parse'], 'serve: hostsFile')
  if (options.hosts !== undefined) {
    throw conflict('hostsFile', 'hosts are given, and a file of hosts', 'pass one of them')
  }
  return { ...options, hosts: readHosts(options.hostsFile) }
}

/** The source after a reload: what is given replaces what was; an identity, a context and the map of hosts replace as one. */
export function mergeSources(before: ServerSource, given: ReloadOptions): ServerSource {
  const { hosts, ...sources } = given
  return {
    main: mergeTerms(before.main, sources),
    ...mergeHosts(before, hosts),
  }
}

function mergeHosts(
  { hosts, hostsFile }: ServerSource,
  given: ReloadOptions['hosts'],
): Pick<ServerSource, 'hosts' | 'hostsFile'> {
  if (given !== undefined) return { hosts: checkedHosts(given), hostsFile: undefined }
  if (hostsFile === undefined) return { hosts, hostsFile }
  return { hosts: keepSame(hosts, checkedHosts(readHosts(hostsFile))), hostsFile }
}

/** The source of every site, the main one first. */
export function termsSources({ main, hosts }: ServerSource): TermsSource[] {
  return [main, ...[...hosts].map(([pattern, host]) => hostSource(main, pattern, host))]
}

function mergeTerms(before: TermsSource, given: TlsSources): TermsSource {
  if (given.context !== undefined) return { ...before, sources: given }
  const { cert, key, passphrase, pfx, moreCertificates, ca, crl } = given
  const identity = cert !== undefined || pfx !== undefined
  if (before.sources.context !== undefined && !identity) {
    if ([key, passphrase, moreCertificates, ca, crl].every((one) => one === undefined))
      return before
    throw new ServerError('option-conflict', 'this server was started with a context of its own', {
      option: 'context',
      hint: 'pass the new context, or certificate and key as well',
    })
  }
  const previous: TlsSources = before.sources
  const own = identity
    ? { cert, key, passphrase, pfx, moreCertificates }
    : {
        cert: previous.cert,
        key: key ?? previous.key,
        passphrase: passphrase ?? previous.passphrase,
        pfx: previous.pfx,
        moreCertificates: moreCertificates ?? previous.moreCertificates,
      }
  return {
    pattern: before.pattern,
    fixed: before.fixed,
    adhoc: identity ? undefined : before.adhoc,
    sources: { ...own, ca: ca ?? previous.ca, crl: crl ?? previous.crl },
  }
}

/** A host's own options where it has them, else the server's; certificate and key go together, and so do `ca` and `crl`. */
function hostSource(main: TermsSource, pattern: string, host: HostOptions): TermsSource {
  const { context, cert, key, passphrase, pfx, moreCertificates } = host
  const verifyUser = host.verifyUser ?? main.fixed.clientCertificates
  const fixed: FixedSettings = {
    ...main.fixed,
    clientCertificates: policyOf(verifyUser === 'none' ? false : verifyUser),
    strict: host.strict ?? main.fixed.strict,
    revocation: host.revocation ?? main.fixed.revocation,
    permits: host.permit
      ? predicateOf(host.permit, `hosts: ${pattern}: permit`)
      : main.fixed.permits,
  }
  if (context !== undefined) return { pattern, sources: { context }, fixed, adhoc: undefined }
  const inherits = cert === undefined && pfx === undefined
  if (inherits && main.sources.context !== undefined) {
    throw new ServerError(
      'option-conflict',
      `hosts: ${pattern} has no certificate of its own, and the server a context`,
      {
        option: 'hosts',
        hint: 'give the host cert and key, or a context',
      },
    )
  }
  const identity = inherits
    ? identityOf(main.sources)
    : { cert, key, passphrase, pfx, moreCertificates }
  const trust = host.ca === undefined ? main.sources : host
  const crl = host.crl ?? trust.crl
  if (fixed.clientCertificates !== 'none' && trust.ca === undefined) {
    throw new ServerError(
      'client-ca-required',
      `hosts: ${pattern} verifies clients and has no authority`,
      {
        option: 'ca',
        hint: 'pass the root of its clients as ca',
      },
    )
  }
  return {
    pattern,
    sources: { ...identity, ca: trust.ca, crl },
    fixed,
    adhoc: inherits ? main.adhoc : undefined,
  }
}

function identityOf({
  cert,
  key,
  passphrase,
  pfx,
  moreCertificates,
}: TlsSources): Pick<TlsSources, 'cert' | 'key' | 'passphrase' | 'pfx' | 'moreCertificates'> {
  return { cert, key, passphrase, pfx, moreCertificates }
}

function checkedHosts(hosts: Readonly<Record<string, HostOptions>>): Map<string, HostOptions> {
  const checked = new Map<string, HostOptions>()
  for (const [pattern, host] of Object.entries(hosts)) {
    const where = `hosts: ${pattern}`
    checkOptions(host, HOST_OPTIONS, where)
    const revocation = host.revocation && checkedRevocation(host.revocation)
    if (host.permit !== undefined) predicateOf(host.permit, `${where}: permit`)
    checked.set(checkedPattern(pattern), { ...host, revocation })
  }
  if (checked.size > MOST_HOSTS) {
    throw new ServerError('option-invalid', `hosts has more than ${MOST_HOSTS} names`, {
      option: 'hosts',
    })
  }
  return checked
}

function checkedRevocation(options: RevocationOptions): RevocationOptions {
  checkOptions(options, ['depth', 'stale'], 'serve: revocation')
  const { depth = 'chain', stale = 'fail-closed' } = options
  const isGrace = typeof stale === 'number' && Number.isSafeInteger(stale) && stale >= 0
  if ((depth === 'chain' || depth === 'leaf') && (stale === 'fail-closed' || isGrace)) {
    return { depth, stale }
  }
  throw new ServerError(
    'option-invalid',
    "revocation has depth 'chain' or 'leaf', and stale 'fail-closed' or milliseconds",
    { option: 'revocation' },
  )
}

function madeAdhoc(
  host: string,
  options: { names?: readonly string[] | undefined },
  hosts: readonly string[],
): Adhoc {
  return makeAdhoc(
    host,
    hosts.length === 0 ? options : { ...options, names: [...(options.names ?? []), ...hosts] },
  )
}

function policyOf(verifyUser: boolean | 'ask' | 'require'): ClientCertificates {
  if (verifyUser === 'ask') return 'ask'
  return verifyUser === false ? 'none' : 'require'
}

function refuseConflicts(options: ServeOptions): void {
  const { adhoc, context, cert, key, pfx, ca, verifyUser, staple } = options
  if (adhoc !== undefined && adhoc !== false && (cert ?? key ?? pfx ?? context) !== undefined) {
    throw conflict('adhoc', 'adhoc makes the certificate that is also given', 'pass one of them')
  }
  if (context !== undefined) {
    for (const option of CONTEXT_INSTEAD_OF) {
      if (options[option] === undefined) continue
      throw conflict(
        option,
        `option ${option} is given beside a context`,
        'the context holds it already: pass it when you make the context',
      )
    }
  }
  const hosts = Object.values(options.hosts ?? {})
  const hasMore = [options, ...hosts].some((one) => one.moreCertificates !== undefined)
  if (hasMore && staple !== undefined && staple !== false) {
    // A client would be sent the answer about the certificate that it was not shown.
    throw conflict(
      'staple',
      'staple is about one certificate, and moreCertificates are given',
      'leave one of them out',
    )
  }
  const asksNowhere = [options, ...hosts].every((one) => (one.verifyUser ?? false) === false)
  if (options.permit !== undefined && asksNowhere && context === undefined) {
    throw conflict(
      'permit',
      'permit is given, and nobody is asked for a certificate',
      "pass verifyUser: true, or 'ask'",
    )
  }
  // A host that verifies may have its authority from here.
  if (
    ca !== undefined &&
    verifyUser === undefined &&
    hosts.every((one) => one.verifyUser === undefined)
  ) {
    // Silence here would be a server whose clients nobody checks.
    throw conflict(
      'ca',
      'ca is given, but verifyUser is not',
      'pass verifyUser: true to let only its clients in, or verifyUser: false to say that nobody is checked',
    )
  }
}

function conflict(option: keyof ServeOptions, message: string, hint: string): ServerError {
  return new ServerError('option-conflict', message, { option, hint })
}

const CONTEXT_INSTEAD_OF = [
  'cert',
  'key',
  'passphrase',
  'pfx',
  'moreCertificates',
  'ca',
  'crl',
  'profile',
  'minVersion',
  'maxVersion',
  'danger',
] as const

const HTTPS_ONLY = [
  'hosts',
  'hostsFile',
  'moreCertificates',
  'strict',
  'permit',
  'revocation',
  'crlFetch',
  'staple',
  'watch',
] as const
const MOST_HOSTS = 10_000
