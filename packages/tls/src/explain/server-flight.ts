/**
 * The first flight of a server, out of the bytes that came over the wire.
 *
 * Node shows only certificates that link to the leaf, completed from the store. What was sent, in which order and with what
 * besides, stands in the records: in clear in TLS 1.2, and in TLS 1.3 under keys that the client has (RFC 8446 §5.2, §7.3).
 *
 * @module
 */
import { createDecipheriv, createHmac } from 'node:crypto'
import { MessageAssembler, noteMessage, type ServerFlight } from './handshake-messages.ts'

/**
 * Reads a flight. What is cut off, malformed or of a cipher not known here ends the reading; it never throws.
 *
 * @param bytes - everything the server sent, from the start; 512 kB are looked at
 * @param secret - the server's handshake traffic secret, where one was agreed
 */
export function readServerFlight(bytes: Uint8Array, secret?: Uint8Array): ServerFlight {
  let flight: ServerFlight = { isComplete: false }
  const assembler = new MessageAssembler()
  let opener: RecordOpener | undefined
  for (const record of splitRecords(bytes.subarray(0, LONGEST_FLIGHT))) {
    let content: TlsRecord | undefined = record
    if (record.type === APPLICATION_DATA) {
      opener ??= RecordOpener.for(flight.cipher, secret)
      content = opener?.open(record)
    }
    // In TLS 1.2 everything behind the change of ciphers is encrypted; in TLS 1.3 it means nothing.
    if (content?.type === CHANGE_CIPHER_SPEC && flight.version === 'TLSv1.3') continue
    if (content?.type !== HANDSHAKE) break
    for (const message of assembler.add(content.body)) flight = noteMessage(flight, message)
    if (flight.isComplete) break
  }
  return flight
}

/** The secret in a line of the key log (RFC 9850), if it is the one of the server's handshake. */
export function handshakeSecret(line: string): Uint8Array | undefined {
  const [, hex] =
    /^SERVER_HANDSHAKE_TRAFFIC_SECRET [0-9a-f]{64} ([0-9a-f]{64,96})\s*$/i.exec(line) ?? []
  return hex === undefined ? undefined : Buffer.from(hex, 'hex')
}

interface TlsRecord {
  type: number
  /** The five bytes before it, which the cipher authenticates. */
  header: Uint8Array
  body: Uint8Array
}

function* splitRecords(bytes: Uint8Array): Generator<TlsRecord> {
  let at = 0
  while (at + HEADER_LENGTH <= bytes.length) {
    const header = bytes.subarray(at, at + HEADER_LENGTH)
    const [type = 0, major = 0, , high = 0, low = 0] = header
    const end = at + HEADER_LENGTH + high * 256 + low
    if (major !== 3 || end > bytes.length || end - at > LONGEST_RECORD) break
    yield { type, header, body: bytes.subarray(at + HEADER_LENGTH, end) }
    at = end
  }
}

interface Aead {
  name: 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305'
  keyLength: number
  hash: 'sha256' | 'sha384'
}

/** Opens the records of one direction, in order. */
class RecordOpener {
  readonly #aead: Aead
  readonly #key: Uint8Array
  readonly #iv: Uint8Array
  #sequence = 0

  private constructor(aead: Aead, secret: Uint8Array) {
    this.#aead = aead
    this.#key = expandLabel(aead.hash, secret, 'key', aead.keyLength)
    this.#iv = expandLabel(aead.hash, secret, 'iv', IV_LENGTH)
  }

  static for(cipher: number | undefined, secret: Uint8Array | undefined): RecordOpener | undefined {
    const aead = cipher === undefined ? undefined : AEADS.get(cipher)
    return aead === undefined || secret === undefined ? undefined : new RecordOpener(aead, secret)
  }

  /** The content of a record; `undefined` where it is not of these keys. */
  open({ header, body }: TlsRecord): TlsRecord | undefined {
    if (body.length <= TAG_LENGTH) return undefined
    const options = { authTagLength: TAG_LENGTH }
    const { name } = this.#aead
    // Two calls: Node has a type of its own for each family.
    const decipher =
      name === 'chacha20-poly1305'
        ? createDecipheriv(name, this.#key, this.#nonce(), options)
        : createDecipheriv(name, this.#key, this.#nonce(), options)
    decipher.setAAD(header, { plaintextLength: body.length - TAG_LENGTH })
    decipher.setAuthTag(body.subarray(-TAG_LENGTH))
    const padded = decipher.update(body.subarray(0, -TAG_LENGTH))
    try {
      decipher.final()
    } catch {
      // Alerts and data behind the handshake have other keys.
      return undefined
    }
    this.#sequence += 1
    // The type stands behind the content, and zeros may stand behind the type.
    const end = padded.findLastIndex((byte) => byte !== 0)
    return end === -1
      ? undefined
      : { type: padded[end] ?? 0, header, body: padded.subarray(0, end) }
  }

  #nonce(): Uint8Array {
    const nonce = Buffer.from(this.#iv)
    nonce.writeUInt32BE((nonce.readUInt32BE(IV_LENGTH - 4) ^ this.#sequence) >>> 0, IV_LENGTH - 4)
    return nonce
  }
}

/** HKDF-Expand-Label of RFC 8446 §7.1; one block of the hash is enough for a key. */
function expandLabel(hash: string, secret: Uint8Array, label: string, length: number): Uint8Array {
  const full = Buffer.from(`tls13 ${label}`, 'ascii')
  const info = Buffer.concat([Buffer.of(0, length, full.length), full, Buffer.of(0, 1)])
  return createHmac(hash, secret).update(info).digest().subarray(0, length)
}

const AEADS: ReadonlyMap<number, Aead> = new Map<number, Aead>([
  [0x1301, { name: 'aes-128-gcm', keyLength: 16, hash: 'sha256' }],
  [0x1302, { name: 'aes-256-gcm', keyLength: 32, hash: 'sha384' }],
  [0x1303, { name: 'chacha20-poly1305', keyLength: 32, hash: 'sha256' }],
])

const CHANGE_CIPHER_SPEC = 20
const HANDSHAKE = 22
const APPLICATION_DATA = 23
const HEADER_LENGTH = 5
const TAG_LENGTH = 16
const IV_LENGTH = 12
/** RFC 8446 §5.2: 2^14 bytes of content, and 256 for what the cipher adds; TLS 1.2 allows 2048. */
const LONGEST_RECORD = HEADER_LENGTH + 16_384 + 2048
/** Far beyond any handshake; more is not kept. */
export const LONGEST_FLIGHT = 524_288
