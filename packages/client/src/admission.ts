/**
 * What a connection has to pass after its handshake, before a byte is sent over it: the protocol that was asked for, pins,
 * the dates of a certificate that is trusted by its pin alone, and revocation.
 *
 * @module
 */
import type { TLSSocket } from 'node:tls'
import { Certificate } from '@countersign/x509'
import { errorMessage } from '@countersign/core'
import type { Security } from './security.ts'
import { isPinned, pinsOf } from './pins.ts'
import { Refusal } from './revocation.ts'

/** HTTP/1.1, HTTP/2, or whichever the server prefers of the two. */
export type HttpVersion = '1.1' | '2' | 'auto'

/** The server does not speak the protocol that was asked for. */
export class ProtocolMissing extends Error {}

/** The server has another certificate and another key than those that are pinned. */
export class PinMismatch extends Error {
  readonly presented: Certificate | undefined

  constructor(presented: Certificate | undefined) {
    super(
      presented === undefined
        ? 'it presented no certificate'
        : `it presented ${pinsOf(presented).certificate} with the key ${pinsOf(presented).key}`,
    )
    this.presented = presented
  }
}

/** The protocols to offer, in order of preference. */
export function protocolsOf(http: HttpVersion): string[] {
  if (http === '1.1') return ['http/1.1']
  return http === '2' ? ['h2'] : ['h2', 'http/1.1']
}

/**
 * @param chain - DER of what the server presented, leaf first
 * @returns why the connection is not used; a promise only where revocation lists have to be fetched
 */
export function admission(
  socket: TLSSocket,
  chain: readonly Uint8Array[],
  security: Security,
  http: HttpVersion,
): Error | undefined | Promise<Error | undefined> {
  if (http === '2' && socket.alpnProtocol !== 'h2') {
    return new ProtocolMissing('it does not speak HTTP/2')
  }
  const { pins, revocation } = security
  if (pins === undefined && revocation === undefined) return undefined
  try {
    const [der] = chain
    if (pins !== undefined) {
      const leaf =
        der === undefined ? undefined : Certificate.parse(der, 'the certificate of the server')
      if (leaf === undefined || !isPinned(leaf, pins)) return new PinMismatch(leaf)
      const fault = security.pinnedAlone ? dateFault(leaf) : undefined
      if (fault !== undefined) return fault
    }
    return revocation?.check(chain, security.context.trust)
  } catch (error) {
    // OpenSSL took what cannot be read here: nobody knows what it says.
    return new Refusal('rejected-by-policy', errorMessage(error), UNREADABLE_HINT)
  }
}

function dateFault(leaf: Certificate): Refusal | undefined {
  const now = new Date()
  if (leaf.isValidAt(now)) return undefined
  return leaf.notAfter < now
    ? new Refusal(
        'expired',
        `the pinned certificate ended on ${leaf.notAfter.toISOString()}`,
        'renew it with the same key and pin the key, or pin the new certificate',
      )
    : new Refusal(
        'not-yet-valid',
        `the pinned certificate begins on ${leaf.notBefore.toISOString()}`,
        'check the clock of this machine',
      )
}

const UNREADABLE_HINT =
  'issue it again with a program that writes valid DER: countersign issue NAME'
