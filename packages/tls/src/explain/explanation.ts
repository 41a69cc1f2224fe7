/**
 * What an explanation says: one verdict, the chain with its links, who was trusted, and a way out for each side.
 *
 * Not here: finding any of it. `explain-chain.ts` works from certificates in hand, `explain.ts` asks a server.
 *
 * @module
 */
import type { ClientPrediction, RefusalFacts } from '@countersign/x509'
import type { CertificateFacts } from '../certificate-description.ts'
import type { TrustDescription } from '../trust-description.ts'
import type { Place } from '../trust-place.ts'
import { printableText } from './plain-text.ts'

/**
 * Why a connection is, or is not, trusted. Everything in it is data, and `JSON.stringify` takes it as it is;
 * {@link explanationToJson} escapes what a terminal obeys as well.
 */
export interface ExplanationOf<Code extends string> {
  /** Whether a client of this package connects and believes the server. */
  ok: boolean
  /** Absent where it is `ok`. */
  code?: Code | undefined
  /** The verdict in one line; no capital, no full stop. */
  message: string
  /** What the caller can do, in one sentence or one command; the same as `fixes.caller`, in short. */
  hint?: string | undefined
  target: ExplainedTarget
  fixes: Fixes
  /**
   * From the leaf up to where it ends, then what was sent and has no place in it. Empty where no certificate was seen.
   */
  chain: ExplainedCertificate[]
  /** Where the chain breaks, and the facts behind it. */
  brokenLink?: BrokenLink | undefined
  /** What other clients would say of the same chain, given the same roots; empty where no certificate was seen. */
  clients: ExplainedClient[]
  /** The store that was consulted, and what it came from. */
  trust: TrustDescription
  /** Other places on this machine that hold what the store lacks, or an old one of its name. */
  elsewhere: Place[]
  name?: NameCheck | undefined
  clock: ClockCheck
  connection?: ExplainedConnection | undefined
  clientCertificates?: ClientCertificateStory | undefined
  /** Further things worth knowing, one sentence each: order of the chain, an end that is near, what the probe sent. */
  notes: string[]
  /** The TLS alert that the server sent (RFC 8446 §6). */
  alert?: { number: number; name: string } | undefined
  /** Node's or OpenSSL's own code. */
  nodeCode?: string | undefined
}

/** What was asked about. */
export interface ExplainedTarget {
  host?: string | undefined
  port?: number | undefined
  /** The name that was asked for and that the certificate must hold. */
  serverName?: string | undefined
  /** A file of certificates, where no server was asked. */
  file?: string | undefined
}

/** At most one way out for each side. */
export interface Fixes {
  caller?: Fix | undefined
  owner?: Fix | undefined
}

/** A way out. */
export interface Fix {
  /** One sentence. */
  text: string
  /** A line for a shell; works when it is pasted. */
  command?: string | undefined
}

/** A certificate in its place. */
export interface ExplainedCertificate extends CertificateFacts {
  /** Subject key identifier, lower-case hex. */
  keyId?: string | undefined
  /** Authority key identifier, lower-case hex: the key its issuer must have. */
  authorityKeyId?: string | undefined
  role: 'leaf' | 'intermediate' | 'root'
  from: 'sent' | 'store' | 'file' | 'elsewhere'
  /** Its place in what was sent, 0 for the first. */
  sentAt?: number | undefined
  /** Whether the store holds this very certificate. */
  trusted: boolean
  /** Sent, and not part of the chain. */
  superfluous: boolean
  /** The step from this certificate to the next one up; `ok` for the anchor, `unchecked` where the chain ended below. */
  link: 'ok' | 'broken' | 'unchecked'
  /** What is wrong with it. */
  problem?: string | undefined
}

/** Where a chain breaks; `switch (brokenLink.code)` narrows its facts, whose texts are as they stand in the certificate. */
export type BrokenLink = {
  [Code in keyof RefusalFacts]: {
    readonly code: Code
    readonly message: string
    readonly facts: RefusalFacts[Code]
    /** Index in `chain`; absent where the certificate is not shown there. */
    readonly position?: number | undefined
    readonly certificate?: CertificateFacts | undefined
  }
}[keyof RefusalFacts]

/** What another client would say: Node, curl, Python, Go, Java, a browser. */
export interface ExplainedClient extends Omit<ClientPrediction, 'certificate'> {
  /** The certificate that it minds. */
  readonly certificate?: CertificateFacts | undefined
}

/** Whether the certificate speaks for the name (RFC 9525). */
export interface NameCheck {
  wanted: string
  type: 'dns' | 'ip'
  matches: boolean
  /** The subject alternative names: `DNS:api.corp.internal`, `IP Address:10.0.0.1`. */
  presented: string[]
  commonName?: string | undefined
  /** Empty where it matches. */
  nearMisses: NearMiss[]
}

/** A name that nearly fits, and why it does not. */
export interface NearMiss {
  kind:
    | 'address-as-dns'
    | 'wildcard-depth'
    | 'partial-wildcard'
    | 'common-name-only'
    | 'no-alternative-name'
    | 'trailing-dot'
    | 'single-label'
    | 'parent-domain'
    | 'spelling'
  /** The name in the certificate. */
  name: string
  /** One sentence. */
  text: string
}

/** Whose clock says what; times in ISO 8601. */
export interface ClockCheck {
  local: string
  /** The server's Date header, where it was asked for. */
  server?: string | undefined
  /** The server's clock minus ours, to the second. */
  skewMs?: number | undefined
}

/** What was agreed with the server. */
export interface ExplainedConnection {
  address?: string | undefined
  port?: number | undefined
  /** `TLSv1.2`, `TLSv1.3`. */
  protocol?: string | undefined
  cipher?: string | undefined
  /** The key exchange: `X25519MLKEM768`. */
  group?: string | undefined
  alpn?: string | undefined
}

/** What the server wants of a client, and what it got. */
export interface ClientCertificateStory {
  /** `required` only where the server refused to go on without one. */
  demand: 'none' | 'asked' | 'required'
  /** Names of the authorities it accepts; empty where it did not say. */
  acceptedAuthorities: string[]
  /** The certificate we offered. */
  offered?: CertificateFacts | undefined
  /** Whether its chain leads to one of `acceptedAuthorities`; absent where nothing was offered or asked for. */
  offeredFits?: boolean | undefined
  /** Whether the server went on with it; absent where that was not seen. */
  accepted?: boolean | undefined
}

/**
 * The explanation as a JSON value: dates in ISO 8601, numbers of any length as strings, nothing `undefined`, and no text that a terminal
 * obeys.
 */
export function explanationToJson(explanation: ExplanationOf<string>): Record<string, unknown> {
  return jsonObject(explanation)
}

/** The members of an object as JSON values. */
export function jsonObject(value: object): Record<string, unknown> {
  const json: Record<string, unknown> = {}
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined) json[key] = jsonValue(member)
  }
  return json
}

function jsonValue(value: unknown): unknown {
  if (typeof value === 'string') return printableText(value)
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(jsonValue)
  return typeof value === 'object' && value !== null ? jsonObject(value) : value
}
