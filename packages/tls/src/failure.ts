/**
 * Turns a failed connection into an error that says what was presented, what was trusted, and what to do.
 *
 * @module
 */
import { CoreError, errorCode, errorMessage } from '@countersign/core'
import { type Certificate, X509Error } from '@countersign/x509'
import { certificateFacts, certificateTitle } from './certificate-facts.ts'
import { TlsError, type TlsErrorCode, type Explanation } from './errors.ts'
import { refinedCode } from './explain/analysis.ts'
import { explainChain } from './explain/explain-chain.ts'
import { readPresentedChain } from './presented.ts'
import { alertOf, classify, hintOf, messageOf } from './reasons.ts'
import type { TrustStore } from './trust-store.ts'

/** What is known about a connection when it fails. */
export interface FailureFacts {
  host: string
  port: number
  trust: TrustStore
  /** DER of what the server presented, leaf first. */
  chain: readonly Uint8Array[]
  /** The certificate we presented. */
  own: Certificate | undefined
  /** The name the server had to prove. @defaultValue `host` */
  name?: string | undefined
  /** DER of the revocation lists that were checked. @defaultValue none */
  crls?: readonly Uint8Array[] | undefined
}

/** The same, with the chain read. */
interface ReadFacts {
  trust: TrustStore
  chain: readonly Certificate[]
  own: Certificate | undefined
}

/** The error of a connection to a server that failed, with the facts. */
export function connectionFailure(error: unknown, facts: FailureFacts): TlsError | CoreError {
  // A time-out, an abort and a name mismatch are said already.
  if (error instanceof CoreError) return error
  const { host, port, trust, own } = facts
  const chain = readPresentedChain(facts.chain)
  const read: ReadFacts = { trust, chain, own }
  const where = `${hostInUrl(host)}:${port}`
  const nodeCode = errorCode(error) ?? errorCode(firstOf(error))
  const shared = {
    nodeCode,
    host,
    port,
    alert: alertOf(error),
    cause: error,
    chain: chain.length === 0 ? undefined : chain.map((one) => certificateFacts(one)),
  }
  if (error instanceof TlsError) {
    const { code, message, hint } = error
    return new TlsError(code, `${where}: ${message}`, {
      ...shared,
      hint,
      nodeCode: error.nodeCode,
      cause: error.cause,
      explain: () => explained(facts, { code, message, nodeCode: error.nodeCode }),
    })
  }
  const row = classify(error) ?? classify(firstOf(error))
  if (row === undefined) {
    const code = chain.length === 0 ? 'connect-failed' : 'handshake-failed'
    const message = errorMessage(error)
    return new TlsError(code, `${where}: ${message}`, {
      ...shared,
      explain: () => explained(facts, { code, message, nodeCode }),
    })
  }
  const { code, said } = inspected(row.code, read)
  const message = code === row.code ? row.message : messageOf(code)
  return new TlsError(
    code,
    said === undefined ? `${where}: ${message}` : `${where}: ${message}: ${said}`,
    {
      ...shared,
      hint: code === row.code ? row.hint : hintOf(code),
      explain: () => explained(facts, { code, message, nodeCode }),
    },
  )
}

/** From what the handshake left; nothing of it is looked at before somebody asks. */
function explained(
  { host, port, trust, chain, own, name = host, crls }: FailureFacts,
  said: { code: TlsErrorCode; message: string; nodeCode: string | undefined },
): Explanation {
  const target = { host, port, serverName: name }
  return explainChain({ ...said, chain, trust, own, name, crls, target })
}

/** What the certificates add to a code. One that OpenSSL took and we cannot read must not hide why the connection failed. */
function inspected(
  code: TlsErrorCode,
  facts: ReadFacts,
): { code: TlsErrorCode; said?: string | undefined } {
  try {
    const better = refinedCode(code, facts.chain, facts.trust)
    return { code: better, said: FACTS.get(better)?.(facts) }
  } catch (error) {
    if (error instanceof X509Error) return { code }
    throw error
  }
}

/** What a reason says beside its standing words. */
const FACTS: ReadonlyMap<TlsErrorCode, (facts: ReadFacts) => string | undefined> = new Map<
  TlsErrorCode,
  (facts: ReadFacts) => string | undefined
>([
  ['untrusted-root', unknownIssuer],
  ['missing-intermediate', unknownIssuer],
  ['key-mismatch', unknownIssuer],
  [
    'self-signed',
    ({ chain: [leaf] }) =>
      leaf === undefined ? undefined : `${certificateTitle(leaf)}, sha256 ${leaf.fingerprint}`,
  ],
  [
    'untrusted-root-sent',
    ({ chain, trust }) => {
      const root = chain.at(-1)
      return root === undefined
        ? undefined
        : `${certificateTitle(root)}, sha256 ${root.fingerprint}, is not among ${consulted(trust)}`
    },
  ],
  [
    'expired',
    ({ chain }) => {
      const ended = chain.find((one) => one.notAfter.getTime() < Date.now())
      return ended === undefined
        ? undefined
        : `${certificateTitle(ended)} ended on ${ended.notAfter.toISOString()}`
    },
  ],
  [
    'not-yet-valid',
    ({ chain }) => {
      const early = chain.find((one) => one.notBefore.getTime() > Date.now())
      return early === undefined
        ? undefined
        : `${certificateTitle(early)} begins on ${early.notBefore.toISOString()}`
    },
  ],
  [
    'server-refused-client-cert',
    ({ own }) =>
      own === undefined
        ? 'we presented none'
        : `we presented ${certificateTitle(own)}, issued by ${own.issuer.toString()}, valid to ${own.notAfter.toISOString()}`,
  ],
])

function unknownIssuer({ chain, trust }: ReadFacts): string | undefined {
  const top = chain.at(-1)
  if (top === undefined) return undefined
  return `${certificateTitle(top)} is issued by ${top.issuer.toString()}, consulted were ${consulted(trust)}`
}

/** `146 certificates of SSL_CERT_FILE /etc/ssl/cert.pem`. */
function consulted(trust: TrustStore): string {
  const sources = trust
    .describe()
    .sources.map(({ name, path }) => (path === undefined ? name : `${name} ${path}`))
  return `${trust.size} trusted ${trust.size === 1 ? 'certificate' : 'certificates'} (${sources.join(', ')})`
}

/** Of several addresses that were tried, the first one's error. */
function firstOf(error: unknown): unknown {
  return error instanceof AggregateError ? error.errors[0] : undefined
}

function hostInUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
