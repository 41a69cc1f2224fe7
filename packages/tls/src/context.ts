/**
 * A TLS context: trust, identity and protocols, checked and built once, then never changed.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ConnectionOptions, SecureContext, Server, TlsOptions } from 'node:tls'
import { checkOptions } from '@countersign/core'
import type { Certificate } from '@countersign/x509'
import { contextSettings, type ContextSettings } from './context-settings.ts'
import { checkedAlpn } from './alpn.ts'
import { TlsError } from './errors.ts'
import type { ClientCertificates, TlsContextOptions } from './context-options.ts'
import { clientCertificatesOf, purposeOf, trustOf } from './context-trust.ts'
import { loadIdentity, loadIdentityInTurns, moreIdentities } from './identity.ts'
import { checkLifetime, checkStrength } from './own-certificate.ts'
import { type Protocols, resolveProtocols } from './profiles.ts'
import { Psk } from './psk.ts'
import { loadRevocationLists, type RevocationList } from './revocation.ts'
import { buildSecureContext, sharedSecureContext } from './secure-context.ts'
import { checkServerName, sniName, verifiedName } from './server-name.ts'
import type { TrustStore } from './trust-store.ts'

/**
 * Makes a context with safe defaults: Mozilla's intermediate profile, default trust, host names checked strictly.
 *
 * Everything Node accepts in silence and then gets wrong is refused here: an empty or garbled `ca`, a certificate
 * without its key or with another's, versions in the wrong order, client certificates without an authority.
 *
 * @throws {@link TlsError} with the option's name in `source`; CoreError `option-unknown` with the name that was meant
 */
export function createDefaultContext(options: TlsContextOptions = {}): TlsContext {
  return new TlsContext(options)
}

/**
 * The same with turns of the event loop between its steps, for a process that others wait for: reading a key and building Node's context
 * take as long as some answers each.
 *
 * @throws as {@link createDefaultContext}
 */
export async function createDefaultContextInTurns(
  options: TlsContextOptions = {},
): Promise<TlsContext> {
  const identity = await loadIdentityInTurns(options)
  await nextTurn()
  const given = { ...options, pfx: undefined, cert: identity?.chain, key: identity?.key }
  const context = new TlsContext(given, 'later')
  await nextTurn()
  context.build()
  return context
}

/** See {@link createDefaultContext}. */
export class TlsContext {
  /** `server-auth`: a client that authenticates servers. `client-auth`: a server. */
  readonly purpose: 'server-auth' | 'client-auth'
  readonly trust: TrustStore
  /**
   * Digest over the trusted certificates, the revocation lists and the policy for client certificates, lower-case hex.
   * Sessions and pooled connections made under one epoch are not used under another.
   */
  readonly epoch: string
  /** Our own certificate. */
  readonly certificate: Certificate | undefined
  /** Our own certificate and what is sent with it, leaf first. */
  readonly chain: readonly Certificate[]
  /** The chains of `moreCertificates`, in their order. */
  readonly moreChains: readonly (readonly Certificate[])[]
  readonly clientCertificates: ClientCertificates
  /** DER of the revocation lists. */
  readonly crls: readonly Uint8Array[]
  readonly alpn: readonly string[]
  readonly protocols: Readonly<Protocols>
  /** @internal The keys that stand instead of certificates. */
  readonly psk: Psk | undefined
  /** @internal Where `danger.keyLog` sends the secrets of a connection. */
  readonly keyLog: ((line: Buffer) => void) | undefined
  readonly #settings: ContextSettings
  #secureContext: SecureContext | undefined
  readonly #options: Pick<TlsContextOptions, 'profile' | 'minVersion' | 'maxVersion' | 'danger'>
  /** What the ticket keys of {@link TlsContext.secureContext} are. */
  #ticketKeys: Buffer | undefined

  /** @param build - whether Node's context is built at once, or later by {@link build} */
  constructor(options: TlsContextOptions, build: 'now' | 'later' = 'now') {
    checkOptions(options, CONTEXT_OPTIONS, 'createDefaultContext')
    if (options.danger !== undefined) checkOptions(options.danger, DANGER_OPTIONS, 'danger')
    const { profile, minVersion, maxVersion, danger } = options
    this.#options = { profile, minVersion, maxVersion, danger }
    this.purpose = purposeOf(options)
    this.protocols = resolveProtocols(options)
    this.alpn = checkedAlpn(options.alpn ?? [])
    this.clientCertificates = clientCertificatesOf(options, this.purpose)
    this.trust = trustOf(options, this.purpose, this.clientCertificates)
    const lists = loadRevocationLists(options.crl)
    this.crls = lists.map(({ der }) => der)
    const identity = loadIdentity(options)
    const more = moreIdentities(options.moreCertificates ?? [], identity)
    this.psk = options.psk === undefined ? undefined : new Psk(options.psk, this.purpose)
    this.keyLog = keyLogOf(danger?.keyLog)
    this.epoch = epochOf(this.trust, lists, this.clientCertificates, this.psk)
    this.#settings = contextSettings({
      purpose: this.purpose,
      protocols: this.protocols,
      trust: this.trust,
      epoch: this.epoch,
      lists,
      identity,
      more,
      psk: this.psk !== undefined,
      clientCertificates: this.clientCertificates,
    })
    this.certificate = identity?.certificate
    this.chain = identity?.chain ?? []
    this.moreChains = more.map(({ chain }) => chain)
    this.#checkIdentity(options)
    for (const { certificate, chain } of more) {
      checkStrength(chain)
      if (this.purpose === 'client-auth') checkLifetime(certificate, false)
    }
    if (build === 'now') this.build()
    if (this.protocols.legacy) warnLegacy(this.protocols)
  }

  /** Node's context; built once, shared by every connection. */
  get secureContext(): SecureContext {
    return this.build()
  }

  /**
   * @internal Builds Node's context.
   * @throws {@link TlsError} for what OpenSSL refuses
   */
  build(): SecureContext {
    this.#secureContext ??=
      this.certificate === undefined
        ? sharedSecureContext(this.#settings, this.epoch)
        : buildSecureContext(this.#settings)
    return this.#secureContext
  }

  /** @internal Equal for contexts of the same epoch with the same certificates, if they were made with the same settings. */
  get digest(): string {
    return hash('sha256', JSON.stringify([this.epoch, this.#settings.cert]), 'hex')
  }

  /**
   * Options for `tls.createServer`, `https.createServer` and `setSecureContext`. With `ask`, Node lets a bad client
   * certificate in as unauthorized; whoever uses these options refuses it, as {@link listen} does.
   *
   * @throws {@link TlsError} `option-invalid` on a context of purpose `server-auth`
   */
  nodeServerOptions(): TlsOptions {
    if (this.purpose !== 'client-auth') {
      throw new TlsError('option-invalid', 'a context for clients cannot serve', {
        source: 'purpose',
        hint: "make it with `purpose: 'client-auth'`",
      })
    }
    return {
      ...this.#settings,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      requestCert: this.clientCertificates !== 'none',
      // With `ask` no certificate is fine, which Node would call unauthorized. A bad one is then refused by
      // `listen` and by the HTTP server, which can say why; Node would cut the connection without a word.
      rejectUnauthorized: this.clientCertificates === 'require',
      ...(this.alpn.length === 0 ? {} : { ALPNProtocols: [...this.alpn] }),
    }
  }

  /**
   * Puts this context into a server of Node's: new handshakes use it, sessions of another epoch are not resumed.
   *
   * @param ticketKeys - 48 bytes; without them tickets issued before are lost
   */
  applyTo(server: Server, ticketKeys?: Buffer): void {
    const options = this.nodeServerOptions()
    const { requestCert, rejectUnauthorized } = options
    // setSecureContext passes neither on.
    Object.assign(server, { requestCert, rejectUnauthorized })
    if (!('_sharedCreds' in server)) {
      server.setSecureContext(ticketKeys === undefined ? options : { ...options, ticketKeys })
      return
    }
    // Node's own way builds a context again and drops allowPartialTrustChain on it.
    Object.assign(server, { _sharedCreds: this.#secureContextFor(ticketKeys) })
    if (ticketKeys !== undefined) server.setTicketKeys(ticketKeys)
  }

  /**
   * Options for `tls.connect`, `https.request` and connectors: the chain is verified, and the name by RFC 9525.
   *
   * @param host - where to connect
   * @param serverName - the name to ask for and to verify. Default: `host`
   */
  nodeClientOptions(host: string, serverName?: string): ConnectionOptions {
    const name = verifiedName(host, serverName)
    return {
      host: verifiedName(host),
      servername: sniName(name),
      secureContext: this.secureContext,
      rejectUnauthorized: true,
      checkServerIdentity: (_host, certificate) => checkServerName(name, certificate),
      ...(this.alpn.length === 0 ? {} : { ALPNProtocols: [...this.alpn] }),
    }
  }

  /** The same trust, lists and protocols, without a certificate of ours: for a server that is not to see who we are. */
  withoutIdentity(): TlsContext {
    if (this.certificate === undefined || this.purpose === 'client-auth') return this
    const { profile, minVersion, maxVersion, danger } = this.#options
    return new TlsContext({
      trust: this.trust,
      crl: this.crls.length === 0 ? undefined : this.crls,
      alpn: this.alpn,
      profile,
      minVersion,
      maxVersion,
      danger,
    })
  }

  /** Ticket keys belong to a SecureContext: a second server with other keys would change those of the first. */
  #secureContextFor(ticketKeys: Buffer | undefined): SecureContext {
    if (ticketKeys === undefined) return this.secureContext
    this.#ticketKeys ??= Buffer.from(ticketKeys)
    if (this.#ticketKeys.equals(ticketKeys)) return this.secureContext
    return buildSecureContext(this.#settings)
  }

  #checkIdentity(options: TlsContextOptions): void {
    checkStrength(this.chain)
    if (this.purpose === 'server-auth') return
    if (this.certificate === undefined) {
      if (this.psk !== undefined) return
      throw new TlsError('cert-missing', 'a server needs a certificate and its key', {
        source: 'cert',
        hint: 'issue one (countersign issue NAME) and pass it as `cert` and `key`',
      })
    }
    checkLifetime(this.certificate, options.danger?.expiredCertificate === true)
  }
}

function keyLogOf(
  write: ((line: string) => void) | undefined,
): ((line: Buffer) => void) | undefined {
  if (write === undefined) return undefined
  process.emitWarning(
    'danger.keyLog hands out the secrets of every connection: whoever has them can read what was recorded',
    { type: 'SecurityWarning', code: 'COUNTERSIGN_KEY_LOG' },
  )
  return (line) => write(line.toString('latin1'))
}

function epochOf(
  trust: TrustStore,
  lists: readonly RevocationList[],
  policy: ClientCertificates,
  psk: Psk | undefined,
): string {
  const digests = lists.map(({ sha256 }) => sha256).toSorted()
  const keys = psk === undefined ? [] : [psk.digest]
  return hash('sha256', [policy, trust.sha256, ...digests, ...keys].join('\n'), 'hex')
}

function warnLegacy({ minVersion }: Protocols): void {
  process.emitWarning(
    `${minVersion} is enabled by danger.legacyProtocols; it can be read and changed on the way (RFC 8996)`,
    { type: 'SecurityWarning', code: 'COUNTERSIGN_LEGACY_PROTOCOLS' },
  )
}

/** Node waits 120 s. */
const HANDSHAKE_TIMEOUT_MS = 10_000

/** The options of {@link createDefaultContext}. */
export const CONTEXT_OPTIONS: readonly string[] = [
  'purpose',
  'ca',
  'extraCa',
  'env',
  'trust',
  'cert',
  'key',
  'passphrase',
  'pfx',
  'profile',
  'minVersion',
  'maxVersion',
  'alpn',
  'crl',
  'clientCertificates',
  'moreCertificates',
  'psk',
  'danger',
]

const DANGER_OPTIONS: readonly string[] = ['legacyProtocols', 'expiredCertificate', 'keyLog']
