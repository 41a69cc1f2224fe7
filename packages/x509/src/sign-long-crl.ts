/**
 * Long revocation lists: signed while their entries pass by, a piece at a time, so that memory does not grow with them.
 *
 * Not here: where the pieces come from and where the list goes; whoever calls writes `head`, the entries, `tail`.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import { signLater } from './build-certificate.ts'
import {
  CRL_FRAME_OPTIONS,
  checkFrame,
  type CrlFrameTemplate,
  frameTbs,
  invalidCrl,
} from './crl-frame.ts'
import { checkedSerial, encodeEntry, type RevokedCertificate, readEntry } from './crl-entry.ts'
import { DerReader, plainView } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import { bitString, elementHeader, encodeDer } from './der-writer.ts'
import { X509Error } from './errors.ts'
import type { Signer } from './signature.ts'

/** What {@link signLongCrl} signs. */
export interface LongCrlTemplate extends CrlFrameTemplate {
  /** Bytes of all entries; none of them may be there twice. */
  entriesLength: number
  /** The entries of {@link encodeRevoked}, one behind the other, cut into pieces anywhere. Asked for once. */
  entries: () => AsyncIterable<Uint8Array>
}

/** What stands around the entries of a list: the list is `head`, the entries, `tail`. */
export interface CrlFrame {
  readonly head: Uint8Array
  readonly tail: Uint8Array
}

/**
 * Signs a list whose entries pass by in pieces. A key that wants the message whole (Ed25519, Ed448, ML-DSA; see
 * {@link Signer.begin}) gets it, 64 MiB at most.
 *
 * @throws {@link X509Error} `crl-invalid` as {@link buildCrl}, where the entries are not as long as was said, and where they are too long
 * for the key; `signing-failed`
 */
export async function signLongCrl(template: LongCrlTemplate, signer: Signer): Promise<CrlFrame> {
  checkOptions(template, OPTIONS, 'signLongCrl')
  checkFrame(template, signer)
  const { entriesLength } = template
  const { before, after } = frameTbs(template, signer, entriesLength)
  const signature = await signParts(partsOf(template, before, after), signer)
  if (signature.length === 0) {
    throw new X509Error('signing-failed', 'the signer gave no signature')
  }
  const end = Buffer.concat([after, signer.signatureAlgorithm, encodeDer(bitString(signature))])
  const length = before.length + entriesLength + end.length
  const head = Buffer.concat([elementHeader(TAG.sequence, length), before])
  return { head: plainView(head), tail: plainView(end) }
}

/**
 * One entry of a list, as it stands in it. Reason `unspecified` is left out.
 *
 * @throws {@link X509Error} `crl-invalid` for a serial number, date or reason that is none
 */
export function encodeRevoked(entry: RevokedCertificate): Uint8Array {
  return encodeDer(encodeEntry(checkedSerial(entry.serialNumber), entry, entry.date))
}

/**
 * The same entry with a date that is not later than `latest`: no list tells what happens after it was made.
 *
 * @param encoded - of {@link encodeRevoked}
 * @throws {@link X509Error} `der-malformed` where it is none
 */
export function redateRevoked(encoded: Uint8Array, latest: Date): Uint8Array {
  const { unknownCritical: _, ...entry } = readEntry(DerReader.open(encoded, 'entry'))
  return entry.date > latest ? encodeRevoked({ ...entry, date: latest }) : encoded
}

async function signParts(parts: AsyncIterable<Uint8Array>, signer: Signer): Promise<Uint8Array> {
  const signing = signer.begin?.()
  if (signing !== undefined) {
    for await (const part of parts) signing.update(part)
    const { publicKey, signatureAlgorithm } = signer
    const sign = (): ReturnType<Signer['sign']> => signing.finish()
    return await signLater(NO_BYTES, { publicKey, signatureAlgorithm, sign })
  }
  const whole: Uint8Array[] = []
  let length = 0
  for await (const part of parts) {
    length += part.length
    if (length > LONGEST_WHOLE) {
      throw invalidCrl(
        `it is longer than 64 MiB, and a ${signer.publicKey.description} key signs it whole`,
        'let certificates be spread over several lists, or sign with a P-256 key',
      )
    }
    whole.push(part)
  }
  return await signLater(Buffer.concat(whole), signer)
}

async function* partsOf(
  { entries, entriesLength }: LongCrlTemplate,
  before: Uint8Array,
  after: Uint8Array,
): AsyncIterable<Uint8Array> {
  yield before
  let length = 0
  for await (const part of entries()) {
    length += part.length
    yield part
  }
  if (length !== entriesLength) {
    throw invalidCrl(`its entries take ${length} bytes, and ${entriesLength} were said`)
  }
  yield after
}

const OPTIONS: readonly (keyof LongCrlTemplate)[] = [
  ...CRL_FRAME_OPTIONS,
  'entriesLength',
  'entries',
]
const NO_BYTES = new Uint8Array()
const LONGEST_WHOLE = 64 * 1024 * 1024
