/**
 * The choices of `--key-type`, written out so that the command line can be read without loading the X.509 room; the type
 * makes sure that none is missing.
 *
 * @module
 */
import type { KeyType } from '@countersign/x509'

const TYPES: Record<KeyType, true> = {
  p256: true,
  p384: true,
  ed25519: true,
  rsa2048: true,
  rsa3072: true,
  rsa4096: true,
  'ml-dsa-44': true,
  'ml-dsa-65': true,
  'ml-dsa-87': true,
}

/** Every type of key that can be made. */
export const KEY_TYPES: readonly string[] = Object.keys(TYPES)

/** Whether a text names one. */
export function isKeyType(text: string): text is KeyType {
  return Object.hasOwn(TYPES, text)
}
