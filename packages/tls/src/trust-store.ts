/**
 * Whom we trust, as one value: resolved once, deduplicated, and able to say where every certificate came from.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import { Certificate, type Name, type TrustAnchors } from '@countersign/x509'
import { TlsError } from './errors.ts'
import { TrustContent } from './trust-content.ts'
import type { TrustDescription } from './trust-description.ts'
import { type Environment, EXTRA, environmentTrust } from './trust-environment.ts'
import { bundledRoots, systemRoots } from './trust-roots.ts'
import {
  empty,
  isPem,
  readBytes,
  readDataFolder,
  readFile,
  readFolder,
  readPath,
  type TrustPart,
} from './trust-source.ts'

/** One source of trusted certificates: a path (file or folder), PEM text, DER bytes, a certificate, a store. */
export type CaSource = string | Uint8Array | Certificate | TrustStore

/** One source or several. */
export type CaSources = CaSource | readonly CaSource[]

/** What decides who is trusted. */
export interface TrustOptions {
  /** Trust only these. @defaultValue what the environment names, else the system's and the bundled roots */
  ca?: CaSources | undefined
  /** Trust these too. @defaultValue none */
  extraCa?: CaSources | undefined
  /** Where `COUNTERSIGN_CA`, `SSL_CERT_FILE` and the others are read. @defaultValue `process.env` */
  env?: Environment | undefined
}

export type { TrustDescription }

/** A set of trusted certificates. Every one is a trust anchor: a root, an intermediate, or a pinned leaf. */
export class TrustStore {
  readonly #parts: readonly TrustPart[]
  readonly #trace: readonly string[]
  readonly #content: TrustContent

  private constructor(
    parts: readonly TrustPart[],
    trace: readonly string[],
    content: TrustContent = new TrustContent(parts),
  ) {
    this.#parts = parts
    this.#trace = trace
    this.#content = content
  }

  /**
   * Decides who is trusted: `ca` means only these; else the first that is set of `COUNTERSIGN_CA`, `SSL_CERT_FILE`
   * with `SSL_CERT_DIR`, `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`; else the system's roots with the bundled ones.
   * `NODE_EXTRA_CA_CERTS` adds to what the environment or the default gave; `extraCa` adds to everything.
   *
   * @throws {@link TlsError} `ca-missing`, `ca-empty`, `ca-malformed` naming the option or variable and the path;
   * CoreError `option-unknown`
   */
  static resolve(options: TrustOptions = {}): TrustStore {
    checkOptions(options, TRUST_OPTIONS, 'TrustStore.resolve')
    const { ca, extraCa } = options
    const environment = environmentTrust(options.env ?? process.env)
    if (ca === undefined && extraCa === undefined && !environment.isSet) {
      const system = systemRoots()
      if (defaultStore === undefined || defaultStore.#parts[0] !== system) {
        defaultStore = new TrustStore([system, bundledRoots()], [DEFAULT_TRACE])
      }
      return defaultStore
    }
    const parts: TrustPart[] = []
    const trace: string[] = []
    if (ca !== undefined) {
      parts.push(...TrustStore.#readSources(ca, 'option ca'))
      const beaten = [...environment.winners, ...environment.beaten]
      if (environment.extra !== undefined) beaten.push(EXTRA)
      trace.push(`option ca: ${counted(parts)}`, ...beaten.map((name) => `option ca beat ${name}`))
    } else {
      const { winners } = environment
      if (winners.length > 0) {
        parts.push(...environment.parts())
        trace.push(`${winners.join(' and ')}: ${counted(parts)}`)
        trace.push(...environment.beaten.map((name) => `${winners.join(' and ')} beat ${name}`))
      } else {
        parts.push(systemRoots(), bundledRoots())
        trace.push(DEFAULT_TRACE)
      }
      if (environment.extra !== undefined) {
        const extra = environment.extra()
        parts.push(extra)
        trace.push(`${EXTRA} added ${counted([extra])}`)
      }
    }
    if (extraCa !== undefined) {
      const extra = TrustStore.#readSources(extraCa, 'option extraCa')
      parts.push(...extra)
      trace.push(`option extraCa added ${counted(extra)}`)
    }
    // What a store knows of its certificates need not be found out again.
    const only = ca instanceof TrustStore && extraCa === undefined ? ca.#content : undefined
    return new TrustStore(parts, trace, only)
  }

  /** Trusts nobody: the store of a server that asks for no client certificates. */
  static empty(): TrustStore {
    return new TrustStore([], [])
  }

  /** A file of PEM blocks, or one DER certificate. */
  static fromFile(file: string): TrustStore {
    return new TrustStore([readFile(file, 'file')], [])
  }

  /** Every `*.pem`, `*.crt`, `*.cer` and OpenSSL-hashed file of a folder. */
  static fromFolder(folder: string): TrustStore {
    return new TrustStore([readFolder(folder, 'folder')], [])
  }

  /** PEM text of one certificate or more. */
  static fromPem(text: string): TrustStore {
    return new TrustStore([readBytes(text, 'PEM text')], [])
  }

  /** One certificate as DER bytes. */
  static fromDer(der: Uint8Array): TrustStore {
    return new TrustStore([readBytes(der, 'DER bytes')], [])
  }

  /** `roots.pem` of the data folder of an authority of ours. */
  static fromDataFolder(folder: string): TrustStore {
    return new TrustStore([readDataFolder(folder, 'data folder')], [])
  }

  /** The roots of this system; read once per process, and again by what watches them. */
  static system(): TrustStore {
    return new TrustStore([systemRoots()], [])
  }

  /** Mozilla's roots as Node carries them. */
  static bundled(): TrustStore {
    return new TrustStore([bundledRoots()], [])
  }

  /** Every certificate once; the same frozen array at every call. */
  get certificates(): readonly Certificate[] {
    return this.#content.certificates
  }

  /** The same certificates for `verifyChain`: indexed once, so that each chain costs a lookup and no scan. */
  get anchors(): TrustAnchors {
    return this.#content.anchors
  }

  get size(): number {
    return this.#content.byFingerprint.size
  }

  /** SHA-256 over the sorted fingerprints, lower-case hex: equal for equal sets. */
  get sha256(): string {
    return this.#content.sha256
  }

  /** @param fingerprint - SHA-256 in hex, with or without colons, in either case */
  has(fingerprint: string): boolean {
    return this.#content.byFingerprint.has(fingerprint.replaceAll(':', '').toLowerCase())
  }

  /** The certificates with this subject, compared as {@link Name.equals} does: candidates for the issuer of a chain. */
  findBySubject(subject: Name): readonly Certificate[] {
    return this.anchors.named(subject)
  }

  /** All certificates as one PEM text. */
  toPem(): string {
    return this.#content.pem
  }

  /** A store that trusts what either trusts. */
  merge(other: TrustStore): TrustStore {
    return new TrustStore([...this.#parts, ...other.#parts], [...this.#trace, ...other.#trace])
  }

  /** Where everything came from, what won over what, how many there are. */
  describe(): TrustDescription {
    return {
      sources: this.#parts.map(({ source }) => ({ ...source })),
      trace: [...this.#trace],
      count: this.size,
      sha256: this.sha256,
    }
  }

  static #readSources(sources: CaSources, name: string): TrustPart[] {
    const list: readonly CaSource[] = isList(sources) ? sources : [sources]
    if (list.length === 0) throw empty(name)
    return list.flatMap((source) => TrustStore.#readSource(source, name))
  }

  static #readSource(source: CaSource, name: string): readonly TrustPart[] {
    if (source instanceof TrustStore) {
      if (source.size === 0) throw empty(name)
      return source.#parts
    }
    if (source instanceof Certificate) {
      return [{ source: { kind: 'certificate', name, count: 1 }, certificates: [source] }]
    }
    if (source instanceof Uint8Array) return [readBytes(source, name)]
    if (typeof source === 'string') {
      if (source.trim() === '') throw empty(name)
      return [isPem(source) ? readBytes(source, name) : readPath(source, name)]
    }
    throw new TlsError(
      'option-invalid',
      `${name} must be a path, PEM text, DER bytes, a certificate or a store`,
      { source: name },
    )
  }
}

function isList(sources: CaSources): sources is readonly CaSource[] {
  return Array.isArray(sources)
}

function counted(parts: readonly TrustPart[]): string {
  const count = parts.reduce((sum, { source }) => sum + source.count, 0)
  return count === 1 ? '1 certificate' : `${count} certificates`
}

/** One for the process: its digest and its PEM text are asked for again and again. */
let defaultStore: TrustStore | undefined

const DEFAULT_TRACE =
  'no option and no environment variable names a source: system and bundled roots'

/** The options of {@link TrustOptions}. */
export const TRUST_OPTIONS: readonly string[] = ['ca', 'extraCa', 'env']
