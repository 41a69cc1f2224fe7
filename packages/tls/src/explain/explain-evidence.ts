/**
 * Puts an explanation together, from the certificates and from what else was seen.
 *
 * @module
 */
import { isIP } from 'node:net'
import type { Certificate } from '@countersign/x509'
import type { TlsErrorCode, Explanation } from '../errors.ts'
import { hintOf, messageOf } from '../reasons.ts'
import { normalHost } from '../server-name.ts'
import type { Place } from '../trust-places.ts'
import { analyse, type Analysis } from './analysis.ts'
import { brokenLink, chainView, pathOf, readSent, shownFacts, shownTitle } from './chain-view.ts'
import type { ExplainChainOptions, Seen } from './explain-options.ts'
import type { ClientCertificateStory, ClockCheck, ExplainedTarget } from './explanation.ts'
import { fixesOf } from './fixes.ts'
import { checkNames } from './name-check.ts'
import { otherClients } from './other-clients.ts'
import { notesOf, oldCopies } from './notes.ts'
import { duration, plainText } from './plain-text.ts'

/** @param seen - what a probe adds */
export function explainEvidence(options: ExplainChainOptions, seen: Seen = {}): Explanation {
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
    said: seen.believed === true ? ('believed' as const) : said,
  }
  const elsewhere = [...(options.elsewhere ?? [])]
  const issuer = issuerKind(elsewhere)
  const analysis = leaf === undefined ? undefined : analyse(leaf, { ...evidence, issuer })
  const facts = { sent, places, trust, from: target.file === undefined ? 'sent' : 'file' } as const
  const path = leaf && analysis ? pathOf(leaf, facts, analysis) : []
  const fault = analysis?.fault
  const chain = chainView(path, facts, fault)
  const code = leaf === undefined ? (said ?? codeWithoutLeaf(options.chain)) : analysis?.code
  const clientCertificates = seen.clientCertificates ?? storyOf(code, options.own)
  const nameCheck = leaf === undefined || name === undefined ? undefined : checkNames(leaf, name)
  const shared = {
    target,
    chain,
    brokenLink: fault && brokenLink(fault, chain),
    clients: leaf === undefined ? [] : otherClients(leaf, evidence),
    trust: trust.describe(),
    elsewhere,
    name: nameCheck,
    clock: clockOf(time, seen.skewMs),
    clientCertificates,
    notes: notesOf(options.chain, facts, path, time).concat(oldCopies(elsewhere), seen.notes ?? []),
    nodeCode: options.nodeCode,
  }
  const where = whereOf(target)
  if (code === undefined) {
    const message = `${leaf === undefined ? 'it' : shownTitle(leaf)} is trusted: ${anchorWords(path)}`
    return { ok: true, message: where + message, fixes: {}, ...shared }
  }
  const fixes = fixesOf({
    code,
    fault,
    leaf,
    purpose,
    target,
    trust,
    name,
    time,
    elsewhere,
    hint: options.hint,
    seen: { ...seen, clientCertificates },
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

function codeWithoutLeaf(chain: readonly Uint8Array[]): TlsErrorCode {
  return chain.length === 0 ? 'handshake-failed' : 'rejected-by-policy'
}

/** `api.corp.internal:8443: `. */
function whereOf({ host, port, file }: ExplainedTarget): string {
  if (file !== undefined) return `${plainText(file)}: `
  if (host === undefined) return ''
  const shown = isIP(host) === 6 ? `[${host}]` : plainText(host)
  return port === undefined ? `${shown}: ` : `${shown}:${port}: `
}
