/**
 * Explains a chain from what is in hand: no file is read and nobody is asked.
 *
 * @module
 */
import { isIP } from 'node:net'
import { checkOptions } from '@countersign/core'
import type { Certificate } from '@countersign/x509'
import type { TlsErrorCode } from '../errors.ts'
import { readPresentedChain } from '../presented.ts'
import { hintOf, messageOf } from '../reasons.ts'
import { normalHost } from '../server-name.ts'
import type { Place } from '../trust-places.ts'
import type { TrustStore } from '../trust-store.ts'
import { type Analysis, analyse } from './analysis.ts'
import {
  brokenLink,
  type ChainFacts,
  chainView,
  pathOf,
  shownFacts,
  shownTitle,
} from './chain-view.ts'
import type {
  ClientCertificateStory,
  ClockCheck,
  ExplainedTarget,
  Explanation,
  Opinion,
} from './explanation.ts'
import { fixesOf } from './fixes.ts'
import { checkNames } from './name-check.ts'
import { duration, plainText } from './plain-text.ts'

/** What {@link explainChain} takes. */
export interface ExplainChainOptions {
  /** DER as sent, leaf first; empty where nothing was seen. */
  chain: readonly Uint8Array[]
  trust: TrustStore
  /** The host name or address that the certificate must hold. @defaultValue none: any name */
  name?: string | undefined
  /** What the leaf is for. @defaultValue 'server' */
  purpose?: 'server' | 'client' | undefined
  /** The time to judge by. @defaultValue now */
  time?: Date | undefined
  /** DER of revocation lists. @defaultValue none */
  crls?: readonly Uint8Array[] | undefined
  /** Why the connection failed, where it did. @defaultValue what the chain itself says */
  code?: TlsErrorCode | undefined
  /** Whether OpenSSL believed the chain, so that only the name can be wrong. @defaultValue it was not asked */
  believed?: boolean | undefined
  /** What was said with `code`. @defaultValue the standing words of the code */
  message?: string | undefined
  /** What can be done about `code`. @defaultValue the standing words of the code */
  hint?: string | undefined
  /** Node's or OpenSSL's code. */
  nodeCode?: string | undefined
  /** The certificate that we offered. */
  own?: Certificate | undefined
  /** What was asked about. @defaultValue nothing is known of it */
  target?: ExplainedTarget | undefined
  /** What the server said about client certificates. */
  clientCertificates?: ClientCertificateStory | undefined
  /** The server's clock minus ours, where both are known. */
  skewMs?: number | undefined
  /** Where else the missing certificate is. @defaultValue nowhere */
  elsewhere?: readonly Place[] | undefined
  /** What the port speaks instead of TLS: `HTTP`, `SSH`. */
  speaks?: string | undefined
}

/**
 * Explains why a chain is believed or not: the chain, its broken link, the names, the dates, and one way out for each side.
 *
 * It does no I/O and reads no clock where `time` is given. Without `code` it predicts what a context of this package does.
 *
 * @throws CoreError `option-unknown`
 */
export function explainChain(options: ExplainChainOptions): Explanation {
  checkOptions(options, OPTIONS, 'explainChain')
  const { trust, purpose = 'server', time = new Date(), target = {}, code: said } = options
  const { sent, places } = readSent(options.chain)
  // Where the first cannot be read nobody knows whose chain it is.
  const leaf = places.get(sent[0]?.fingerprint ?? '') === 0 ? sent[0] : undefined
  const name = options.name === undefined ? undefined : normalHost(options.name)
  const evidence = {
    chain: sent,
    trust,
    name,
    purpose,
    time,
    crls: options.crls ?? [],
    said: options.believed === true ? ('believed' as const) : said,
  }
  const elsewhere = [...(options.elsewhere ?? [])]
  const issuer = issuerKind(elsewhere)
  const analysis = leaf === undefined ? undefined : analyse(leaf, { ...evidence, issuer })
  const facts = { sent, places, trust, from: target.file === undefined ? 'sent' : 'file' } as const
  const path = leaf && analysis ? pathOf(leaf, facts, analysis) : []
  const fault = analysis?.fault
  const chain = chainView(path, facts, fault)
  const code = leaf === undefined ? (said ?? codeWithoutLeaf(options.chain)) : analysis?.code
  const clientCertificates = options.clientCertificates ?? storyOf(code, options.own)
  const nameCheck = leaf === undefined || name === undefined ? undefined : checkNames(leaf, name)
  const shared = {
    target,
    chain,
    brokenLink: fault && brokenLink(fault, chain),
    opinions: analysis && {
      strict: opinionOf(analysis.strict),
      openssl: opinionOf(analysis.openssl),
    },
    trust: trust.describe(),
    elsewhere,
    name: nameCheck,
    clock: clockOf(time, options.skewMs),
    clientCertificates,
    notes: notesOf(options.chain, facts, path, analysis, time).concat(oldCopies(elsewhere)),
    nodeCode: options.nodeCode,
  }
  const where = whereOf(target)
  if (code === undefined) {
    const message = `${leaf === undefined ? 'it' : shownTitle(leaf)} is trusted: ${anchorWords(path)}`
    return { ok: true, message: where + message, fixes: {}, ...shared }
  }
  const { skewMs, speaks, hint: standing } = options
  const fixes = fixesOf({
    code,
    fault,
    leaf,
    purpose,
    target,
    trust,
    name,
    skewMs,
    elsewhere,
    clientCertificates,
    speaks,
    hint: standing,
  })
  const words = messageFor(code, analysis, options)
  // Whoever says it with the address is not made to say it twice.
  const isPlaced = target.host !== undefined && words.includes(`${target.host}:${target.port}`)
  const hint = fixes.caller?.text ?? fixes.owner?.text ?? hintOf(code)
  return {
    ok: false,
    code,
    message: isPlaced ? words : where + words,
    hint,
    fixes,
    ...shared,
  }
}

function messageFor(
  code: TlsErrorCode,
  analysis: Analysis | undefined,
  options: ExplainChainOptions,
): string {
  const { message } = options
  const fault = analysis?.fault
  if (fault === undefined) return plainText(message ?? standingWords(code, options))
  if (fault.certificate !== undefined) {
    const title = shownTitle(fault.certificate)
    if (fault.code === 'expired') {
      return `${title} ended ${duration(fault.facts.differenceMs)} ago by this clock, on ${fault.facts.notAfter.toISOString()}`
    }
    if (fault.code === 'not-yet-valid') {
      return `${title} begins in ${duration(fault.facts.differenceMs)} by this clock, on ${fault.facts.notBefore.toISOString()}`
    }
  }
  return plainText(fault.message)
}

function standingWords(code: TlsErrorCode, { chain }: ExplainChainOptions): string {
  if (code === 'handshake-failed' && chain.length === 0) return 'no certificate was seen'
  return code === 'rejected-by-policy' ? 'the certificate cannot be read' : messageOf(code)
}

function anchorWords(path: readonly Certificate[]): string {
  const anchor = path.at(-1)
  if (anchor === undefined) return 'nothing was checked'
  return path.length === 1 ? 'it is in the store itself' : `its chain ends at ${shownTitle(anchor)}`
}

function opinionOf(verdict: Analysis['strict']): Opinion {
  if (verdict.ok) return { ok: true }
  return { ok: false, code: verdict.code, message: plainText(verdict.message) }
}

function clockOf(time: Date, skewMs: number | undefined): ClockCheck {
  const local = time.toISOString()
  if (skewMs === undefined) return { local }
  return { local, server: new Date(time.getTime() + skewMs).toISOString(), skewMs }
}

function storyOf(
  code: TlsErrorCode | undefined,
  own: Certificate | undefined,
): ClientCertificateStory | undefined {
  if (code !== 'server-refused-client-cert') return undefined
  const offered = own && shownFacts(own)
  return {
    demand: own === undefined ? 'required' : 'asked',
    acceptedAuthorities: [],
    offered,
    accepted: false,
  }
}

/** Whether what was found elsewhere is a root. */
function issuerKind(elsewhere: readonly Place[]): 'root' | 'intermediate' | undefined {
  const found = elsewhere.find(({ sameNameOnly }) => !sameNameOnly)?.certificate
  if (found === undefined) return undefined
  return found.subject === found.issuer ? 'root' : 'intermediate'
}

/** What can be read of what was sent, and where each stood. */
function readSent(chain: readonly Uint8Array[]): Pick<ChainFacts, 'sent' | 'places'> {
  const sent: Certificate[] = []
  const places = new Map<string, number>()
  for (const [at, der] of chain.entries()) {
    const [certificate] = readPresentedChain([der])
    if (certificate === undefined) continue
    sent.push(certificate)
    if (!places.has(certificate.fingerprint)) places.set(certificate.fingerprint, at)
  }
  return { sent, places }
}

function codeWithoutLeaf(chain: readonly Uint8Array[]): TlsErrorCode {
  return chain.length === 0 ? 'handshake-failed' : 'rejected-by-policy'
}

/** What is worth knowing besides. */
function notesOf(
  chain: readonly Uint8Array[],
  { sent, places }: ChainFacts,
  path: readonly Certificate[],
  analysis: Analysis | undefined,
  time: Date,
): string[] {
  const notes: string[] = []
  const unread = chain.length - sent.length
  if (unread > 0) notes.push(`${unread} of the ${chain.length} certificates cannot be read`)
  const order = path.flatMap(({ fingerprint }) => places.get(fingerprint) ?? [])
  if (order.some((at, index) => at < (order[index - 1] ?? -1))) {
    notes.push(
      'the certificates were sent in the wrong order; TLS 1.2 clients may refuse that (RFC 5246 §7.4.2)',
    )
  }
  const besides = sent.filter((one) => !path.some((known) => known.equals(one)))
  if (besides.length > 0) {
    notes.push(`${besides.map(shownTitle).join(', ')}: sent, and no part of the chain`)
  }
  const [leaf] = path
  if (leaf?.isValidAt(time) === true) {
    const left = leaf.notAfter.getTime() - time.getTime()
    if (left < SOON_MS) notes.push(`${shownTitle(leaf)} ends in ${duration(left)}`)
  }
  if (analysis !== undefined && analysis.code === undefined && !analysis.strict.ok) {
    notes.push(
      `strict clients (Python from 3.13, browsers) may refuse it: ${plainText(analysis.strict.message)}`,
    )
  }
  return notes
}

/** Roots of the same name and another key confuse people more than anything else. */
function oldCopies(elsewhere: readonly Place[]): string[] {
  return elsewhere
    .filter(({ sameNameOnly }) => sameNameOnly)
    .slice(0, 3)
    .map(
      ({ name, path, certificate }) =>
        `${path ?? name} holds ${plainText(certificate.subject)} with another key (sha256 ${certificate.fingerprint}): an old copy, or one of another authority`,
    )
}

/** `api.corp.internal:8443: `. */
export function whereOf({ host, port, file }: ExplainedTarget): string {
  if (file !== undefined) return `${plainText(file)}: `
  if (host === undefined) return ''
  const shown = isIP(host) === 6 ? `[${host}]` : plainText(host)
  return port === undefined ? `${shown}: ` : `${shown}:${port}: `
}

const SOON_MS = 3 * 86_400_000

const OPTIONS: readonly (keyof ExplainChainOptions)[] = [
  'chain',
  'trust',
  'name',
  'purpose',
  'time',
  'crls',
  'code',
  'believed',
  'message',
  'hint',
  'nodeCode',
  'own',
  'target',
  'clientCertificates',
  'skewMs',
  'elsewhere',
  'speaks',
]
