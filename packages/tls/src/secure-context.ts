/**
 * Builds Node's `SecureContext` and says what OpenSSL did not like.
 *
 * @module
 */
import { createSecureContext, type SecureContext } from 'node:tls'
import { errorCode, errorMessage } from '@countersign/core'
import type { ContextSettings } from './context-settings.ts'
import { TlsError } from './errors.ts'
import { classify } from './reasons.ts'
import { malformed } from './revocation.ts'

/**
 * Builds a context.
 *
 * @throws {@link TlsError} `weak-crypto`, `key-mismatch`, `crl-malformed`, else `context-failed`
 */
export function buildSecureContext(settings: ContextSettings): SecureContext {
  try {
    return createSecureContext(settings)
  } catch (error) {
    throw explained(error)
  }
}

/**
 * A context without an identity of ours, shared by all that have the same settings: the default roots take OpenSSL
 * nine milliseconds and a megabyte each time.
 *
 * @param epoch - digest over the trusted certificates and the lists of `settings`
 */
export function sharedSecureContext(settings: ContextSettings, epoch: string): SecureContext {
  // The epoch stands for the two long ones.
  const key = JSON.stringify({ ...settings, ca: epoch, crl: undefined })
  const known = shared.get(key)
  if (known !== undefined) {
    // The least recently used stands first.
    shared.delete(key)
    shared.set(key, known)
    return known
  }
  const built = buildSecureContext(settings)
  shared.set(key, built)
  for (const oldest of shared.keys()) {
    if (shared.size <= LARGEST_SHARED) break
    shared.delete(oldest)
  }
  return built
}

function explained(error: unknown): TlsError {
  const message = errorMessage(error)
  if (message.includes('parse CRL')) return malformed('option crl is no revocation list', error)
  const nodeCode = errorCode(error)
  if (nodeCode === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH') {
    return new TlsError('key-mismatch', 'the key does not belong to the certificate', {
      source: 'key',
      nodeCode,
      cause: error,
    })
  }
  const row = classify(error)
  if (row?.code === 'weak-crypto') {
    return new TlsError(
      'weak-crypto',
      `OpenSSL refuses our own certificate: ${readable(message)}`,
      {
        source: 'cert',
        nodeCode,
        cause: error,
        hint: row.hint,
      },
    )
  }
  return new TlsError('context-failed', `OpenSSL refuses the context: ${readable(message)}`, {
    nodeCode,
    cause: error,
  })
}

/** The last part of `error:0A00018F:SSL routines::ee key too small`. */
function readable(message: string): string {
  return message.startsWith('error:') ? (message.split(':').at(-1) ?? message) : message
}

const shared = new Map<string, SecureContext>()
const LARGEST_SHARED = 16
