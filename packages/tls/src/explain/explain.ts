/**
 * Asks a server, and explains what it finds.
 *
 * The probe is separate from every other connection: nothing that a caller wants to send goes over it, and it is never reused.
 *
 * @module
 */
import { isIP } from 'node:net'
import {
  checkOptions,
  CoreError,
  errorCode,
  errorMessage,
  waitFor,
  type WaitOptions,
} from '@countersign/core'
import { checkedAlpn } from '../alpn.ts'
import { checkedHost, checkedPort } from '../connect.ts'
import { createDefaultContext, type TlsContext } from '../context.ts'
import type { CertificateSource, CrlSource, KeySource } from '../context-options.ts'
import { TlsError } from '../errors.ts'
import { readPresentedChain } from '../presented.ts'
import { ROWS } from '../reason-table.ts'
import { alertOf, classify, messageOf } from '../reasons.ts'
import { verifiedName } from '../server-name.ts'
import { findElsewhere, type Place } from '../trust-places.ts'
import type { Environment } from '../trust-environment.ts'
import type { TrustOptions, TrustStore } from '../trust-store.ts'
import { protocolOf } from './banner.ts'
import { shownFacts } from './chain-view.ts'
import { explainChain, type ExplainChainOptions } from './explain-chain.ts'
import type { ClientCertificateStory, Explanation } from './explanation.ts'
import { plainText } from './plain-text.ts'
import { probe, type ProbeResult, type ProbeTarget } from './probe.ts'

/** How {@link explain} asks. */
export interface ExplainOptions extends TrustOptions, WaitOptions {
  /** A store made before; instead of `ca`, `extraCa` and `env`. */
  trust?: TrustStore | undefined
  /** The certificate to offer; only a server that is believed sees it. @defaultValue none */
  cert?: CertificateSource | undefined
  /** The key of `cert`. @defaultValue the key block of `cert` */
  key?: KeySource | undefined
  /** Opens an encrypted `key`. */
  passphrase?: string | undefined
  /** The name to ask for and to look for in the certificate. @defaultValue the host of the target */
  serverName?: string | undefined
  /** Application protocols to offer. @defaultValue none */
  alpn?: readonly string[] | undefined
  /** Revocation lists; one is then needed for every authority of the chain. @defaultValue none */
  crl?: CrlSource | readonly CrlSource[] | undefined
  /** The time to judge by. @defaultValue now */
  time?: Date | undefined
  /** Whether to send `HEAD /` for the date of its answer. @defaultValue true */
  askTime?: boolean | undefined
  /** Whether to look for a missing certificate elsewhere on this machine. @defaultValue true */
  searchElsewhere?: boolean | undefined
}

/** Where to: `https://HOST[:PORT]/…`, `HOST:PORT`, `HOST`, or both apart. */
export type ExplainTarget = string | { host: string; port: number }

/**
 * Connects to a server and explains why it is trusted, or why not. What goes wrong on the way is the answer, not an error.
 *
 * The connection is a probe of its own, which shows what the server sends even where it cannot be believed. It carries nothing of
 * the caller's: after the handshake a bare `HEAD /` for the server's date, unless `askTime` is false. Where `cert` is given and the
 * server was believed and asked for one, a second, verified connection offers it.
 *
 * @throws {@link TlsError} for options, as {@link createDefaultContext}; CoreError `option-unknown`, `option-invalid`,
 * `wait-aborted` where `signal` aborts
 */
export async function explain(
  target: ExplainTarget,
  options: ExplainOptions = {},
): Promise<Explanation> {
  checkOptions(options, OPTIONS, 'explain')
  const { host, port } = parseTarget(target)
  const { ca, extraCa, env, trust, cert, key, passphrase, crl } = options
  const context = createDefaultContext({ ca, extraCa, env, trust, cert, key, passphrase, crl })
  const name = verifiedName(host, options.serverName && checkedHost(options.serverName))
  const { askTime = true, alpn = [] } = options
  const probeTarget: ProbeTarget = {
    context: context.withoutIdentity(),
    host,
    port,
    name,
    alpn: checkedAlpn(alpn),
    askTime,
    verify: false,
  }
  const result = await look(probeTarget, options)
  const { time } = options
  const evidence: ExplainChainOptions = {
    target: { host, port, serverName: name },
    trust: context.trust,
    crls: context.crls,
    chain: result.chain,
    name,
    time,
    own: context.certificate,
    skewMs: skewOf(result.answer, time ?? new Date()),
    clientCertificates: storyOf(result, context),
    ...failureOf(result),
  }
  const first = explainChain(evidence)
  const elsewhere = options.searchElsewhere === false ? [] : await placesOf(first, evidence, env)
  const explanation = elsewhere.length === 0 ? first : explainChain({ ...evidence, elsewhere })
  return { ...explanation, connection: result.connection, alert: alertNamed(alertOf(result.error)) }
}

/**
 * @throws {@link TlsError} `option-invalid`
 */
function parseTarget(target: ExplainTarget): { host: string; port: number } {
  if (typeof target !== 'string') {
    return { host: checkedHost(target.host), port: checkedPort(target.port) }
  }
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(target) ? target : `https://${bracketed(target)}`
  if (!URL.canParse(url)) {
    throw new TlsError('option-invalid', `"${plainText(target)}" is neither a URL nor HOST:PORT`, {
      source: 'target',
      hint: 'write https://api.corp.internal:8443, api.corp.internal:8443 or [::1]:8443',
    })
  }
  const { hostname, port, protocol } = new URL(url)
  const standard = protocol === 'http:' ? 80 : 443
  return { host: checkedHost(hostname), port: checkedPort(port === '' ? standard : Number(port)) }
}

/** An IPv6 address alone. */
function bracketed(target: string): string {
  return isIP(target) === 6 ? `[${target}]` : target
}

/** One probe; where time runs out, what was seen until then. */
async function look(target: ProbeTarget, options: WaitOptions): Promise<ProbeResult> {
  const { timeoutMs = TIMEOUT_MS, signal } = options
  let running: Promise<ProbeResult> | undefined
  try {
    return await waitFor(
      `explain ${target.host}:${target.port}`,
      { timeoutMs, signal },
      (aborted) => {
        running = probe(target, aborted)
        return running
      },
    )
  } catch (error) {
    if (running !== undefined && error instanceof CoreError && error.code === 'wait-timeout') {
      return running
    }
    throw error
  }
}

/** Why it ended, in our words; the chain is judged by who reads them. */
function failureOf(
  result: ProbeResult,
): Pick<ExplainChainOptions, 'code' | 'message' | 'nodeCode' | 'believed' | 'speaks'> {
  const { stage, end, error, refusal } = result
  const nodeCode = refusal ?? errorCode(error) ?? errorCode(firstOf(error))
  if (stage === 'secured') {
    if (refusal === undefined) {
      const late = classify(error)
      return late?.code === 'server-refused-client-cert'
        ? { code: late.code, message: late.message, nodeCode }
        : { believed: true }
    }
    const code = classify(Object.assign(new Error(refusal), { code: refusal }))?.code
    return { code, nodeCode }
  }
  const speaks = protocolOf(result.firstBytes)
  if (speaks !== undefined) {
    return { code: 'not-tls', message: `the port speaks ${speaks}, not TLS`, nodeCode, speaks }
  }
  if (end === 'silent') {
    return stage === 'nowhere'
      ? {
          code: 'connect-failed',
          message: 'no answer: nothing there, or something between drops it',
        }
      : { code: 'handshake-timeout', message: messageOf('handshake-timeout') }
  }
  const row = classify(error) ?? classify(firstOf(error))
  if (row !== undefined) return { code: row.code, message: row.message, nodeCode }
  if (end === 'closed') return { code: 'reset', message: messageOf('reset') }
  const code = stage === 'nowhere' ? 'connect-failed' : 'handshake-failed'
  return { code, message: errorMessage(error), nodeCode }
}

function storyOf(result: ProbeResult, { certificate }: TlsContext): ClientCertificateStory {
  const offered = certificate && shownFacts(certificate)
  const refused = classify(result.error)?.code === 'server-refused-client-cert'
  return { demand: refused ? 'required' : 'none', acceptedAuthorities: [], offered }
}

/** The server's clock minus ours, by the Date of its answer. */
function skewOf(answer: string, time: Date): number | undefined {
  const [, text] = /^HTTP\/1[^]*?\r\ndate: ([^\r\n]{1,64})\r\n/i.exec(answer) ?? []
  const there = text === undefined ? Number.NaN : Date.parse(text)
  // It has whole seconds: half a second is added for what was cut.
  return Number.isNaN(there) ? undefined : there + 500 - time.getTime()
}

/** Where on this machine what is missing lies. */
async function placesOf(
  { brokenLink }: Explanation,
  { chain, trust }: ExplainChainOptions,
  env: Environment | undefined,
): Promise<Place[]> {
  if (brokenLink === undefined || !('candidates' in brokenLink.facts)) return []
  const top = readPresentedChain(chain).find(
    ({ fingerprint }) => fingerprint === brokenLink.certificate?.fingerprint,
  )
  if (top === undefined) return []
  return findElsewhere({
    issuer: top.issuer,
    keyId: top.authorityKeyId,
    isIssuer: (candidate) => top.verifySignature(candidate.publicKey),
    consulted: trust,
    env,
  })
}

function alertNamed(number: number | undefined): Explanation['alert'] {
  if (number === undefined) return undefined
  const name = ROWS.find(({ alert }) => alert?.number === number)?.alert?.name
  return { number, name: (name ?? `alert_${number}`).toLowerCase() }
}

/** Of several addresses that were tried, the first one's error. */
function firstOf(error: unknown): unknown {
  return error instanceof AggregateError ? error.errors[0] : undefined
}

const TIMEOUT_MS = 10_000

const OPTIONS: readonly string[] = [
  'ca',
  'extraCa',
  'env',
  'trust',
  'cert',
  'key',
  'passphrase',
  'serverName',
  'alpn',
  'crl',
  'time',
  'askTime',
  'searchElsewhere',
  'timeoutMs',
  'signal',
]
