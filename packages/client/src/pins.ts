/**
 * Pins: digests of the one certificate, or the one key, that a server may have.
 *
 * A pin beside a named authority narrows it: the chain, the name and the pin must hold. A pin on its own stands instead of
 * chain and name: whoever holds the key of that certificate is the server, whatever name it was made for. Its dates still
 * count, or a pin would keep a certificate alive that its owner let end.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { Certificate } from '@countersign/x509'
import { OptionError } from './errors.ts'

/** SHA-256 of a certificate or of its key. */
export interface Pins {
  /** Lower-case hex. */
  readonly digests: ReadonlySet<string>
  /** As they were written, for messages and descriptions. */
  readonly texts: readonly string[]
}

/**
 * Reads pins: `sha256:` and the digest, in hex (with or without colons) or base64, of the certificate (as `openssl x509
 * -fingerprint -sha256` prints it) or of its key (SubjectPublicKeyInfo, as curl's `--pinnedpubkey` wants it).
 *
 * @throws {@link OptionError} `option-invalid`
 */
export function readPins(given: unknown): Pins | undefined {
  if (given === undefined) return undefined
  const list: readonly unknown[] = Array.isArray(given) ? given : [given]
  if (list.length === 0 || list.length > MOST_PINS) {
    throw new OptionError(
      'option-invalid',
      `pin must be one digest, or a list of 1 to ${MOST_PINS}`,
    )
  }
  const texts = list.map(textOf)
  return { digests: new Set(texts.map(digestOf)), texts }
}

/** Whether the certificate, or its key, is one of those that are pinned. */
export function isPinned(certificate: Certificate, pins: Pins): boolean {
  return pins.digests.has(certificate.fingerprint) || pins.digests.has(keyDigest(certificate))
}

/** What to write as `pin` for this certificate and for its key. */
export function pinsOf(certificate: Certificate): { certificate: string; key: string } {
  return {
    certificate: `sha256:${certificate.fingerprint}`,
    key: `sha256:${keyDigest(certificate)}`,
  }
}

function keyDigest(certificate: Certificate): string {
  return hash('sha256', certificate.publicKey.spki)
}

function textOf(pin: unknown): string {
  if (typeof pin === 'string') return pin
  throw new OptionError('option-invalid', 'pin must be a string, or a list of strings', {
    hint: HINT,
  })
}

function digestOf(text: string): string {
  const [, digest = ''] = /^sha256:(.{1,120})$/i.exec(text.trim()) ?? []
  const hex = digest.replaceAll(':', '').toLowerCase()
  if (/^[0-9a-f]{64}$/.test(hex)) return hex
  // curl writes sha256//BASE64, which is no different once the colon is there.
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(digest)) {
    return Buffer.from(digest.replaceAll('-', '+').replaceAll('_', '/'), 'base64').toString('hex')
  }
  throw new OptionError(
    'option-invalid',
    `pin ${JSON.stringify(text.slice(0, 100))} is no SHA-256 digest`,
    { hint: HINT },
  )
}

const MOST_PINS = 32
const HINT =
  'write sha256: and the 64 hex digits that "countersign show HOST:PORT" prints as SHA-256'
