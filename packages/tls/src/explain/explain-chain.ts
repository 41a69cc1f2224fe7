/**
 * Explains a chain from what is in hand: no file is read and nobody is asked.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import type { Certificate } from '@countersign/x509'
import type { TlsErrorCode } from '../errors.ts'
import type { Place } from '../trust-places.ts'
import type { TrustStore } from '../trust-store.ts'
import { explainEvidence } from './explain-evidence.ts'
import type { ExplainedTarget, Explanation } from './explanation.ts'

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
  /** Where else the missing certificate is. @defaultValue nowhere */
  elsewhere?: readonly Place[] | undefined
}

/**
 * Explains why a chain is believed or not: the chain, its broken link, the names, the dates, and one way out for each side.
 *
 * It does no I/O, and reads no clock where `time` is given. Without `code` it predicts what a context of this package does.
 *
 * @throws CoreError `option-unknown`
 */
export function explainChain(options: ExplainChainOptions): Explanation {
  checkOptions(options, OPTIONS, 'explainChain')
  return explainEvidence(options)
}

const OPTIONS: readonly (keyof ExplainChainOptions)[] = [
  'chain',
  'trust',
  'name',
  'purpose',
  'time',
  'crls',
  'code',
  'message',
  'hint',
  'nodeCode',
  'own',
  'target',
  'elsewhere',
]
