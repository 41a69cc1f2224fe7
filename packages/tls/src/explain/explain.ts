/**
 * Asks a server, and explains what it finds.
 *
 * The probe is separate from every other connection: nothing that a caller wants to send goes over it, and it is never reused.
 *
 * @module
 */
import { checkOptions, CoreError, waitFor, type WaitOptions } from '@countersign/core'
import { checkedAlpn } from '../alpn.ts'
import { checkedHost } from '../connect.ts'
import { createDefaultContext } from '../context.ts'
import type { CertificateSource, CrlSource, KeySource } from '../context-options.ts'
import { TlsError, type Explanation } from '../errors.ts'
import { verifiedName } from '../server-name.ts'
import type { Environment } from '../trust-environment.ts'
import type { TrustOptions, TrustStore } from '../trust-store.ts'
import type { ExplainChainOptions, Seen } from './explain-options.ts'
import { explainEvidence } from './explain-evidence.ts'
import { alertNamed, chainFinding, doubtfulAnswer, findingOf, storyOf } from './findings.ts'
import { askPlainly } from './plain-question.ts'
import { probe, type ProbeResult, type ProbeTarget } from './probe.ts'
import { issuingFolder, nameThatLeadsTo, placesOf } from './search.ts'
import { type ExplainTarget, parseTarget } from './target.ts'

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
  /** Milliseconds for all that is asked over the network; 0 waits for ever. @defaultValue 10000 */
  timeoutMs?: number | undefined
  /** Whether to send `HEAD /` for the date of its answer. @defaultValue true */
  askTime?: boolean | undefined
  /**
   * Whether to look on this machine for what mends it: the missing certificate, an authority that can issue ours, the addresses of the
   * names of a certificate that is believed. @defaultValue true
   */
  searchElsewhere?: boolean | undefined
}

/**
 * Connects to a server and explains why it is trusted, or why not. What goes wrong on the way is the answer, not an error.
 *
 * The connection is a probe of its own, which shows what the server sends even where it cannot be believed. It carries nothing of
 * the caller's: after the handshake a bare `HEAD /` for the server's date, unless `askTime` is false. Where `cert` is given and the
 * server was believed and asked for one, a second, verified connection offers it. A port that says nothing to TLS is asked once in
 * clear what it speaks.
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
  const { ca, extraCa, env, trust, cert, key, passphrase, crl, time } = options
  const context = createDefaultContext({ ca, extraCa, env, trust, cert, key, passphrase, crl })
  const { serverName, alpn = [], askTime = true } = options
  const name = verifiedName(host, serverName === undefined ? undefined : checkedHost(serverName))
  const shared = { host, port, name, alpn: checkedAlpn(alpn), askTime }
  const patience = new Patience(options)
  const sight = await look(
    { ...shared, context: context.withoutIdentity(), verify: false },
    // The rest is for what has to be asked afterwards.
    patience.part(FIRST_SHARE),
  )
  const facts: ExplainChainOptions = {
    target: { host, port, serverName: name },
    trust: context.trust,
    crls: context.crls,
    chain: sight.chain,
    name,
    time,
    own: context.certificate,
  }
  const judged = chainFinding(sight)
  const alone = explainEvidence({ ...facts, ...judged }, judged)
  // Who we are is for a server that is who it says.
  const named =
    alone.ok && context.certificate !== undefined && sight.flight.certificateRequest !== undefined
      ? await look({ ...shared, context, verify: true }, patience.part())
      : undefined
  const decisive = named ?? sight
  const finding =
    alone.ok || sight.chain.length === 0
      ? findingOf(decisive, await otherProtocol(sight, shared, patience.part()))
      : judged
  const evidence: ExplainChainOptions = { ...facts, ...finding }
  const seen: Seen = {
    ...finding,
    clientCertificates: storyOf(sight, named, context),
    skewMs: named?.skewMs ?? sight.skewMs,
    notes: doubtfulAnswer(decisive),
  }
  const first = explainEvidence(evidence, seen)
  const more = options.searchElsewhere === false ? {} : await search(first, evidence, sight, env)
  const explanation = explainEvidence(
    { ...evidence, elsewhere: more.elsewhere },
    { ...seen, ...more },
  )
  return {
    ...explanation,
    connection: decisive.connection,
    alert: alertNamed(decisive.error),
  }
}

/** What this machine has to mend it with. */
async function search(
  explanation: Explanation,
  evidence: ExplainChainOptions,
  { chain, connection, flight }: ProbeResult,
  env: Environment | undefined,
): Promise<Pick<ExplainChainOptions, 'elsewhere'> & Pick<Seen, 'issueFrom' | 'reachable'>> {
  const { code } = explanation
  if (code === 'name-mismatch') {
    return { reachable: await nameThatLeadsTo(connection.address, chain) }
  }
  if (code === 'server-refused-client-cert') {
    return { issueFrom: await issuingFolder(flight.certificateRequest?.authorities ?? [], env) }
  }
  return { elsewhere: await placesOf(explanation, evidence, env) }
}

/** One probe; where time runs out, what was seen until then. */
async function look(target: ProbeTarget, options: WaitOptions): Promise<ProbeResult> {
  let running: Promise<ProbeResult> | undefined
  try {
    return await waitFor(`explain ${target.host}:${target.port}`, options, (signal) => {
      running = probe(target, signal)
      return running
    })
  } catch (error) {
    if (running !== undefined && error instanceof CoreError && error.code === 'wait-timeout') {
      return running
    }
    throw error
  }
}

/** What a port speaks that said nothing to TLS. */
async function otherProtocol(
  { stage, firstBytes }: ProbeResult,
  { host, port }: { host: string; port: number },
  options: WaitOptions,
): Promise<string | undefined> {
  if (stage !== 'connected' || firstBytes.length > 0) return undefined
  const { timeoutMs, signal } = options
  return waitFor(`ask ${host}:${port} in clear`, { signal }, (aborted) =>
    askPlainly(host, port, timeoutMs === 0 ? undefined : timeoutMs, aborted),
  )
}

/** The time for all of it, spent in parts. */
class Patience {
  readonly #signal: AbortSignal | undefined
  readonly #end: number | undefined

  constructor({ timeoutMs = TIMEOUT_MS, signal }: WaitOptions) {
    // The longest that a timer takes.
    if (!Number.isInteger(timeoutMs) || timeoutMs < 0 || timeoutMs > 0x7fff_ffff) {
      throw new TlsError('option-invalid', 'timeoutMs must be a whole number, 0 to 2147483647', {
        source: 'timeoutMs',
      })
    }
    this.#signal = signal
    this.#end = timeoutMs === 0 ? undefined : performance.now() + timeoutMs
  }

  /** @param share - of what is left, above 0, at most 1 */
  part(share = 1): WaitOptions {
    const signal = this.#signal
    if (this.#end === undefined) return { timeoutMs: 0, signal }
    const left = Math.max(0, this.#end - performance.now())
    return { timeoutMs: Math.max(SHORTEST_MS, Math.ceil(left * share)), signal }
  }
}

const TIMEOUT_MS = 10_000
const FIRST_SHARE = 0.75
/** What is asked at all gets so long, whatever is left. */
const SHORTEST_MS = 100

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
