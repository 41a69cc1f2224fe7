/**
 * What a probe saw, in our words.
 *
 * @module
 */
import type { Explanation } from '../errors.ts'
import { errorCode, errorMessage } from '@countersign/core'
import { type Certificate, Name, X509Error } from '@countersign/x509'
import type { TlsContext } from '../context.ts'
import { ROWS } from '../reason-table.ts'
import { alertOf, classify, messageOf } from '../reasons.ts'
import { protocolOf } from './banner.ts'
import { shownFacts } from './chain-view.ts'
import type { ExplainChainOptions, Seen } from './explain-options.ts'
import type { ClientCertificateStory } from './explanation.ts'
import { plainText } from './plain-text.ts'
import type { ProbeResult } from './probe.ts'

/** Why a probe ended. */
export type Finding = Pick<ExplainChainOptions, 'code' | 'message' | 'hint' | 'nodeCode'> &
  Pick<Seen, 'believed' | 'speaks'>

/** What OpenSSL said of the chain; nothing where the handshake did not get to its end. */
export function chainFinding({ stage, refusal }: ProbeResult): Finding {
  if (stage !== 'secured') return {}
  if (refusal === undefined) return { believed: true }
  // UNSPECIFIED has no row: then the chain itself says what is wrong.
  return { code: classify(codedError(refusal))?.code, nodeCode: refusal }
}

/**
 * Why it ended, where the chain is not to blame.
 *
 * @param spoken - what the port speaks where it says nothing to TLS
 */
export function findingOf(result: ProbeResult, spoken?: string): Finding {
  const { stage, end, error } = result
  const nodeCode = errorCode(error) ?? errorCode(firstOf(error))
  if (wasRefused(result)) {
    return { code: 'server-refused-client-cert', message: refusalWords(result), nodeCode }
  }
  if (stage === 'secured') return { believed: true }
  const speaks = protocolOf(result.firstBytes) ?? spoken
  if (speaks !== undefined) {
    return { code: 'not-tls', message: `the port speaks ${speaks}, not TLS`, nodeCode, speaks }
  }
  if (end === 'silent') {
    return stage === 'nowhere'
      ? {
          code: 'connect-failed',
          message: 'no answer: nothing is there, or something between drops it',
        }
      : { code: 'handshake-timeout', message: messageOf('handshake-timeout') }
  }
  const row = classify(error) ?? classify(firstOf(error))
  if (row !== undefined) {
    return { code: row.code, message: row.message, hint: row.hint, nodeCode }
  }
  if (end === 'closed') return { code: 'reset', message: messageOf('reset') }
  const code = stage === 'nowhere' ? 'connect-failed' : 'handshake-failed'
  return { code, message: wordsOf(error), nodeCode }
}

/**
 * Whether the server gave up for want of a client certificate it takes. Some say so by an alert; OpenSSL's servers of TLS 1.2 say
 * only "handshake failure", and Node's nothing at all: they close.
 */
function wasRefused(result: ProbeResult): boolean {
  const { stage, end, error, flight } = result
  const row = classify(error)
  if (row?.code === 'server-refused-client-cert') return true
  if (flight.certificateRequest === undefined) return false
  if (refusedByAnswer(result)) return true
  if (stage === 'secured') return end === 'closed' || row?.code === 'reset'
  return end === 'closed' || row?.code === 'reset' || row?.code === 'handshake-failed'
}

/**
 * Some finish the handshake, and refuse in HTTP: nginx with 400, for which a bare `HEAD /` gives no other reason; servers of ours with
 * 403 and a problem document.
 */
function refusedByAnswer({ answer }: ProbeResult): boolean {
  if (answer === undefined) return false
  return REFUSING.has(answer.status) || (answer.status === 403 && answer.isProblem)
}

/** An answer that may be about a client certificate, or about anything else that a server wants of its callers. */
export function doubtfulAnswer({ flight, answer }: ProbeResult): string[] {
  if (flight.certificateRequest === undefined || answer === undefined) return []
  if (answer.isProblem || (answer.status !== 401 && answer.status !== 403)) return []
  return [
    `the server answers HEAD / with ${answer.status}: it may be for want of a client certificate that it takes`,
  ]
}

function refusalWords(result: ProbeResult): string {
  const { error, stage, answer } = result
  const row = classify(error)
  if (row?.code === 'server-refused-client-cert') return row.message
  if (answer !== undefined && refusedByAnswer(result)) {
    return `the server asked for a client certificate, and answers this client with ${answer.status}`
  }
  return stage === 'secured'
    ? 'the server asked for a client certificate, and closed without a word after the handshake'
    : 'the server asked for a client certificate, and ended the handshake'
}

/**
 * @param anonymous - the probe that offered no certificate
 * @param named - the one that offered ours, where there was one
 */
export function storyOf(
  anonymous: ProbeResult,
  named: ProbeResult | undefined,
  { certificate, chain }: TlsContext,
): ClientCertificateStory | undefined {
  const request = anonymous.flight.certificateRequest
  const offered = certificate && shownFacts(certificate)
  const refused = wasRefused(anonymous)
  if (request === undefined && !refused) {
    // What was not read says nothing.
    return anonymous.flight.isComplete
      ? { demand: 'none', acceptedAuthorities: [], offered }
      : undefined
  }
  const authorities = readNames(request?.authorities ?? [])
  return {
    demand: refused ? 'required' : 'asked',
    acceptedAuthorities: authorities.map((name) => plainText(name.toString())),
    offered,
    offeredFits:
      certificate === undefined || authorities.length === 0
        ? undefined
        : leadsTo(chain, authorities),
    accepted: named === undefined ? undefined : !wasRefused(named),
  }
}

function leadsTo(chain: readonly Certificate[], authorities: readonly Name[]): boolean {
  return chain.some(({ issuer, subject }) =>
    authorities.some((name) => name.equals(issuer) || name.equals(subject)),
  )
}

function readNames(names: readonly Uint8Array[]): Name[] {
  return names.flatMap((der) => {
    try {
      const name = Name.fromDer(der)
      name.toString()
      return [name]
    } catch (error) {
      if (error instanceof X509Error) return []
      throw error
    }
  })
}

/** The alert that ended it, by number and name. */
export function alertNamed(error: unknown): Explanation['alert'] {
  const number = alertOf(error)
  if (number === undefined) return undefined
  const name = ROWS.find(({ alert }) => alert?.number === number)?.alert?.name
  return { number, name: (name ?? `alert_${number}`).toLowerCase() }
}

/** OpenSSL's reason alone: its whole text holds the number of a thread and a place in its source. */
function wordsOf(error: unknown): string {
  const text = errorMessage(error)
  const [, reason] = /(?:^|:)error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)/.exec(text) ?? []
  return reason === undefined ? text : `the handshake broke off: ${reason}`
}

/** Of several addresses that were tried, the first one's error. */
function firstOf(error: unknown): unknown {
  return error instanceof AggregateError ? error.errors[0] : undefined
}

function codedError(code: string): Error {
  return Object.assign(new Error(code), { code })
}

/** Statuses of nginx for a client without a certificate, or with one that it does not take. */
const REFUSING: ReadonlySet<number> = new Set([400, 495, 496])
