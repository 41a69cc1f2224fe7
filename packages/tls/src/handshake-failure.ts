/**
 * Why a client's handshake failed, as the server sees it.
 *
 * @module
 */
import type { TLSSocket } from 'node:tls'
import { errorCode, errorMessage } from '@countersign/core'
import { certificateFacts, certificateTitle } from './certificate-facts.ts'
import type { TlsContext } from './context.ts'
import type { ClientCertificates } from './context-options.ts'
import { TlsError, type TlsErrorCode, type Explanation } from './errors.ts'
import { explainChain } from './explain/explain-chain.ts'
import { readPresented } from './presented.ts'
import type { Row } from './reason-table.ts'
import { alertOf, classify, hintOf, messageOf } from './reasons.ts'

/** Whom a server trusts. */
export type ServerTrust = Pick<TlsContext, 'trust' | 'crls'>

/**
 * The error of a handshake that Node ended; the reason of a refused certificate is on the socket only.
 *
 * @param trusted - for the error's `explanation`; without it there is none
 */
export function handshakeFailure(
  error: unknown,
  socket: TLSSocket,
  trusted?: ServerTrust,
): TlsError {
  const refused = authorizationCode(socket)
  const shared = { nodeCode: errorCode(error), alert: alertOf(error), cause: error }
  if (refused !== undefined) {
    const row = classify(nodeError(refused))
    const raw = socket.getPeerX509Certificate()?.raw
    return new TlsError(
      row?.code ?? 'handshake-failed',
      row === undefined
        ? `the client certificate was refused: ${refused}`
        : `the client certificate was refused: ${row.message}`,
      {
        ...shared,
        nodeCode: refused,
        hint: row?.hint,
        explain: explainer(raw, row?.code, refused, trusted),
      },
    )
  }
  const row = classify(error)
  if (row === undefined) return new TlsError('handshake-failed', errorMessage(error), shared)
  const { code, message, hint } = seenByServer(row)
  return new TlsError(code, message, { ...shared, hint })
}

/**
 * Whether a connection whose handshake succeeded has to be refused all the same: with `ask` a bad certificate gets this far.
 *
 * @returns `undefined` where it may stay
 */
export function unauthorized(
  socket: TLSSocket,
  policy: ClientCertificates,
  trusted?: ServerTrust,
): TlsError | undefined {
  if (policy === 'none') return undefined
  const raw = socket.getPeerX509Certificate()?.raw
  if (raw === undefined || raw.length === 0) {
    return policy === 'ask'
      ? undefined
      : new TlsError('no-client-certificate', messageOf('no-client-certificate'), {
          hint: hintOf('no-client-certificate'),
        })
  }
  const certificate = readPresented(raw)
  const expired = certificate.notAfter.getTime() < Date.now() ? 'CERT_HAS_EXPIRED' : undefined
  const refused = socket.authorized ? expired : (authorizationCode(socket) ?? 'UNSPECIFIED')
  if (refused === undefined) return undefined
  const row = classify(nodeError(refused))
  return new TlsError(
    row?.code ?? 'rejected-by-policy',
    `the client certificate of ${certificateTitle(certificate)} was refused: ${row?.message ?? refused}`,
    {
      nodeCode: refused,
      hint: row?.hint,
      chain: [certificateFacts(certificate)],
      explain: explainer(raw, row?.code, refused, trusted),
    },
  )
}

/** A client is judged by its leaf alone: Node 24 does not show a server the intermediates that came with it. */
function explainer(
  raw: Uint8Array | undefined,
  code: TlsErrorCode | undefined,
  nodeCode: string,
  trusted: ServerTrust | undefined,
): (() => Explanation) | undefined {
  if (raw === undefined || raw.length === 0 || trusted === undefined) return undefined
  const { trust, crls } = trusted
  return () => explainChain({ chain: [raw], trust, crls, purpose: 'client', code, nodeCode })
}

/** An alert about a certificate that a server receives is about the server's own. */
function seenByServer(row: Row): { code: TlsError['code']; message: string; hint: string } {
  if (row.code !== 'server-refused-client-cert') return row
  const code = 'client-refused-server-cert'
  const why = row.message.split(': ')[1]
  const message = messageOf(code)
  return { code, message: why === undefined ? message : `${message}: ${why}`, hint: hintOf(code) }
}

/** Node types it as an error, and sets a code. */
function authorizationCode(socket: TLSSocket): string | undefined {
  const reason: unknown = socket.authorizationError
  if (typeof reason === 'string') return reason === '' ? undefined : reason
  return errorCode(reason)
}

function nodeError(code: string): Error {
  return Object.assign(new Error(code), { code })
}
