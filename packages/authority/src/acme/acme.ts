/**
 * The ACME server (RFC 8555), put together: routes to mount, keys and accounts to look after, work to repeat.
 *
 * @module
 */
import { checkOptions, type Clock, systemClock } from '@countersign/core'
import type { Store } from '@countersign/store'
import type { Hono } from 'hono'
import { AuditTrail } from '../audit-trail.ts'
import { AuthorityError } from '../errors.ts'
import type { Authority } from '../types.ts'
import { AcmeAccounts } from './account-list.ts'
import { type AcmeCount, AcmeCounts } from './counts.ts'
import { ExternalAccountKeys, readMasterKey } from './external-accounts.ts'
import { type AcmeLimits, DEFAULT_LIMITS } from './limits.ts'
import { Networks, PRIVATE_NETWORKS } from './networks.ts'
import { Nonces } from './nonces.ts'
import { ACME_MIGRATIONS, type AcmeTables } from './schema.ts'
import { type AcmeProfile, type AcmeState, readNonceKey } from './state.ts'

/** How {@link openAcme} opens what an operator looks after. */
export interface AcmeDataOptions {
  /** Where accounts and orders are: the store of the authority. */
  store: Store
  /** The data folder, for `acme.key`. */
  folder: string
  /** @defaultValue the machine's clock */
  clock?: Clock | undefined
  /** Who does it, for the audit log. @defaultValue nothing is kept */
  actor?: string | undefined
}

/** How {@link createAcme} serves. */
export interface AcmeOptions extends Omit<AcmeDataOptions, 'actor'> {
  /** Signs what was proven. */
  authority: Authority
  /** Whether an account needs a key of {@link Acme.externalAccounts}. @defaultValue true */
  externalAccountRequired?: boolean | undefined
  /** The address of terms that every account agrees to. @defaultValue none */
  termsOfService?: string | undefined
  /** For people, in the directory. @defaultValue none */
  website?: string | undefined
  /** The networks that validation may reach, in CIDR notation. @defaultValue those of private use (RFC 1918, RFC 6598, RFC 4193) */
  allow?: readonly string[] | undefined
  /** The resolver of validation, `ADDRESS:PORT`. @defaultValue the system's */
  resolver?: string | undefined
  /** The port of http-01. @defaultValue 80 */
  httpPort?: number | undefined
  /** The port of tls-alpn-01. @defaultValue 443 */
  tlsPort?: number | undefined
  /** What may be ordered, by name; the first is for orders that name none. @defaultValue `server`, a week, and `shortlived`, a day */
  profiles?: Readonly<Record<string, AcmeProfile>> | undefined
  /** What one client may ask for. */
  limits?: Partial<AcmeLimits> | undefined
  /** Pauses between the tries of a validation, in milliseconds. @defaultValue 1000, 4000 */
  retryPausesMs?: readonly number[] | undefined
  /** The time of one try, all its redirects included, in milliseconds. @defaultValue 10000 */
  validationTimeoutMs?: number | undefined
  /**
   * How often a validation that runs says so in the database, in milliseconds; after four times as long in silence another process takes
   * it up. @defaultValue 5000
   */
  heartbeatMs?: number | undefined
  /** Told what went wrong where the answer says nothing of it. @defaultValue nobody is told */
  onFault?: ((error: unknown) => void) | undefined
  /** Whether accounts and orders are kept for an audit log, as the authority keeps what it does. @defaultValue false */
  audit?: boolean | undefined
  /** Refuses good nonces, for tests of clients: asked for each. @defaultValue none is refused */
  refuseNonce?: (() => boolean) | undefined
}

/** What an operator looks after. */
export interface AcmeData {
  /** Keys for external account binding. */
  readonly externalAccounts: ExternalAccountKeys
  readonly accounts: AcmeAccounts
}

/** An ACME server. */
export interface Acme extends AcmeData, AsyncDisposable {
  /** Everything below `/acme`; mount it at the root of the service. */
  readonly routes: Hono
  /** Takes up what a process left unfinished; to be called every few seconds. */
  resume(): Promise<void>
  /** The same, and removes what is over; to be called every minute or so. */
  sweep(): Promise<void>
  /** What this process has counted since it began: orders, challenges, problems, nonces. */
  counts(): readonly AcmeCount[]
  /** Waits until no validation runs. */
  settled(): Promise<void>
  /** Ends the validations that run; another process takes them up. */
  close(): Promise<void>
}

/**
 * Opens what an operator looks after, without serving.
 *
 * @throws {@link AuthorityError} `key-malformed`; CoreError `option-unknown`, `file-write-failed`; StoreError
 */
export async function openAcme(options: AcmeDataOptions): Promise<AcmeData> {
  checkOptions(options, ['store', 'folder', 'clock', 'actor'], 'openAcme')
  const { store, clock = systemClock, actor } = options
  return await openData(
    options,
    actor === undefined ? undefined : new AuditTrail(store, clock, actor, noop),
  )
}

/**
 * Opens an ACME server on an authority.
 *
 * @throws {@link AuthorityError} `option-invalid`, `key-malformed`; CoreError `option-unknown`, `file-write-failed`; StoreError
 */
export async function createAcme(options: AcmeOptions): Promise<Acme> {
  checkOptions(options, OPTIONS, 'createAcme')
  const { store, authority, clock = systemClock, onFault = noop, refuseNonce = never } = options
  checkOptions(options.limits ?? {}, Object.keys(DEFAULT_LIMITS), 'limits')
  // Loaded here: who only issues a certificate or lists accounts needs neither resolver nor HTTP client.
  const [{ createAcmeRoutes }, { resume, sweep }, { Validator }] = await Promise.all([
    import('./routes.ts'),
    import('./sweep.ts'),
    import('./validator.ts'),
  ])
  const { heartbeatMs = 5000 } = options
  if (!(heartbeatMs >= 1 && heartbeatMs <= 60_000)) throw invalid('heartbeatMs must be 1 to 60000')
  const validator = new Validator({
    networks: new Networks(options.allow ?? PRIVATE_NETWORKS, options.resolver),
    httpPort: checkedPort(options.httpPort ?? 80, 'httpPort'),
    tlsPort: checkedPort(options.tlsPort ?? 443, 'tlsPort'),
    // Asked for anew each time: a rollover changes them.
    get roots() {
      return authority.roots.map(({ pem }) => pem)
    },
    pausesMs: options.retryPausesMs ?? [1000, 4000],
    timeoutMs: options.validationTimeoutMs ?? 10_000,
    concurrency: 16,
    heartbeatMs,
    onFault,
  })
  const audit = options.audit === true ? new AuditTrail(store, clock, 'acme', onFault) : undefined
  const data = await openData(options, audit)
  const database = store.database<AcmeTables>()
  const counts = new AcmeCounts()
  const nonces = new Nonces(database, await readNonceKey(database), clock, counts, refuseNonce)
  const state: AcmeState = {
    store,
    database,
    clock,
    authority,
    audit,
    counts,
    nonces,
    externalAccounts: data.externalAccounts,
    externalAccountRequired: options.externalAccountRequired ?? true,
    termsOfService: checkedUrl(options.termsOfService, 'termsOfService'),
    website: checkedUrl(options.website, 'website'),
    limits: { ...DEFAULT_LIMITS, ...withoutUndefined(options.limits ?? {}) },
    profiles: checkedProfiles(options.profiles ?? DEFAULT_PROFILES),
    validate: (challenge) => {
      validator.begin(state, challenge)
    },
  }
  const close = async (): Promise<void> => validator.close()
  return {
    ...data,
    routes: createAcmeRoutes(state, onFault),
    resume: async () => resume(state, heartbeatMs),
    async sweep() {
      await resume(state, heartbeatMs)
      await sweep(state)
    },
    counts: () => counts.all,
    settled: async () => validator.settled(),
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function openData(
  options: Pick<AcmeDataOptions, 'store' | 'folder' | 'clock'>,
  audit: AuditTrail | undefined,
): Promise<AcmeData> {
  const { store, folder, clock = systemClock } = options
  await store.migrate('acme', ACME_MIGRATIONS)
  return {
    externalAccounts: new ExternalAccountKeys(store, await readMasterKey(folder), clock, audit),
    accounts: new AcmeAccounts(store, audit),
  }
}

function checkedPort(port: number, option: string): number {
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port
  throw invalid(`${option} must be a port`)
}

function checkedUrl(text: string | undefined, option: string): string | undefined {
  if (text === undefined || /^https?:\/\/[^\s<>"]+$/.test(text)) return text
  throw invalid(`${option} must be a URL`)
}

function checkedProfiles(
  profiles: Readonly<Record<string, AcmeProfile>>,
): ReadonlyMap<string, AcmeProfile> {
  const named = new Map(Object.entries(profiles))
  if (named.size === 0) throw invalid('profiles must have one profile or more')
  for (const [name, { days }] of named) {
    if (!/^[a-z0-9-]{1,64}$/.test(name) || !(days > 0 && days <= 3650)) {
      throw invalid(`profile "${name}" needs a plain name and days above 0`)
    }
  }
  return named
}

function withoutUndefined(limits: Partial<AcmeLimits>): Partial<AcmeLimits> {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined))
}

function invalid(message: string): AuthorityError {
  return new AuthorityError('option-invalid', message)
}

function never(): boolean {
  return false
}

function noop(): void {}

const DEFAULT_PROFILES: Readonly<Record<string, AcmeProfile>> = {
  server: { description: 'a server certificate, valid for seven days', days: 7 },
  shortlived: { description: 'a server certificate, valid for one day', days: 1 },
}
const OPTIONS = [
  'store',
  'folder',
  'clock',
  'authority',
  'externalAccountRequired',
  'termsOfService',
  'website',
  'allow',
  'resolver',
  'httpPort',
  'tlsPort',
  'profiles',
  'limits',
  'retryPausesMs',
  'validationTimeoutMs',
  'heartbeatMs',
  'onFault',
  'audit',
  'refuseNonce',
] as const
