/**
 * What a server says in the clear text of its first flight (RFC 8446 §4, RFC 5246 §7.4): version, cipher, group, certificates as
 * they were sent, and what it wants of a client.
 *
 * Not here: getting at the clear text, in `server-flight.ts`.
 *
 * @module
 */
import { ByteReader, Truncated } from './byte-reader.ts'

/** What a flight said, as far as it could be read. */
export interface ServerFlight {
  version?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3' | undefined
  /** Number of the cipher suite. */
  cipher?: number | undefined
  /** Number of the named group. */
  group?: number | undefined
  alpn?: string | undefined
  /** DER, in the order they were sent; absent where no Certificate message was read. */
  chain?: readonly Uint8Array[] | undefined
  certificateRequest?: CertificateRequest | undefined
  /** Whether the flight was read to its end. */
  isComplete: boolean
}

/** What a server wants of a client's certificate. */
interface CertificateRequest {
  /** DER of the names of authorities; empty where the server did not name any. */
  authorities: readonly Uint8Array[]
  /** Numbers of signature schemes. */
  signatureSchemes: readonly number[]
}

/** One handshake message. */
export interface HandshakeMessage {
  type: number
  body: Uint8Array
}

/** Puts messages together that are spread over records, each byte copied once or twice however they are cut. */
export class MessageAssembler {
  #chunks: Uint8Array[] = []
  #length = 0
  #wanted = HEADER_LENGTH
  #count = 0

  /** @returns the messages that are whole now */
  add(chunk: Uint8Array): HandshakeMessage[] {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    if (this.#length < this.#wanted) return []
    const bytes = Buffer.concat(this.#chunks)
    const messages: HandshakeMessage[] = []
    let at = 0
    for (;;) {
      this.#wanted = HEADER_LENGTH
      if (at + HEADER_LENGTH > bytes.length) break
      this.#wanted += bytes.readUIntBE(at + 1, 3)
      if (this.#count >= MOST_MESSAGES) this.#wanted = Number.POSITIVE_INFINITY
      if (at + this.#wanted > bytes.length) break
      const body = bytes.subarray(at + HEADER_LENGTH, at + this.#wanted)
      messages.push({ type: bytes[at] ?? 0, body })
      this.#count += 1
      at += this.#wanted
    }
    const rest = bytes.subarray(at)
    this.#chunks = [rest]
    this.#length = rest.length
    return messages
  }
}

/** Reads one message into what is known; a malformed one changes nothing. */
export function noteMessage(flight: ServerFlight, { type, body }: HandshakeMessage): ServerFlight {
  try {
    return READERS.get(type)?.(flight, new ByteReader(body)) ?? flight
  } catch (error) {
    if (error instanceof Truncated) return flight
    throw error
  }
}

/** A HelloRetryRequest looks the same; the ServerHello after it overwrites what it said. */
function serverHello(flight: ServerFlight, reader: ByteReader): ServerFlight {
  const legacyVersion = reader.number(2)
  reader.bytes(32)
  reader.vector(1)
  const cipher = reader.number(2)
  reader.number(1)
  const found: ServerFlight = { ...flight, version: VERSIONS.get(legacyVersion), cipher }
  for (const { type, body } of reader.isEmpty ? [] : extensions(reader)) {
    if (type === SUPPORTED_VERSIONS) found.version = VERSIONS.get(body.number(2))
    if (type === KEY_SHARE) found.group = body.number(2)
    // TLS 1.2 says it here, TLS 1.3 in EncryptedExtensions.
    if (type === ALPN) found.alpn = protocolName(body)
  }
  return found
}

function encryptedExtensions(flight: ServerFlight, reader: ByteReader): ServerFlight {
  const alpn = extensions(reader).find(({ type }) => type === ALPN)
  return alpn === undefined ? flight : { ...flight, alpn: protocolName(alpn.body) }
}

function certificate(flight: ServerFlight, reader: ByteReader): ServerFlight {
  const isNew = flight.version === 'TLSv1.3'
  if (isNew) reader.vector(1)
  const list = reader.vector(3)
  const chain: Uint8Array[] = []
  while (!list.isEmpty && chain.length < LONGEST_CHAIN) {
    chain.push(list.vectorBytes(3))
    if (isNew) list.vector(2)
  }
  return { ...flight, chain }
}

/** The group of an ephemeral elliptic key (RFC 8422 §5.4). */
function serverKeyExchange(flight: ServerFlight, reader: ByteReader): ServerFlight {
  return reader.number(1) === NAMED_CURVE ? { ...flight, group: reader.number(2) } : flight
}

function certificateRequest(flight: ServerFlight, reader: ByteReader): ServerFlight {
  const request = flight.version === 'TLSv1.3' ? requestOf13(reader) : requestOf12(reader)
  return { ...flight, certificateRequest: request }
}

function requestOf13(reader: ByteReader): CertificateRequest {
  reader.vector(1)
  const all = extensions(reader)
  const schemes = all.find(({ type }) => type === SIGNATURE_ALGORITHMS)?.body
  const names = all.find(({ type }) => type === CERTIFICATE_AUTHORITIES)?.body
  return {
    signatureSchemes: schemes === undefined ? [] : numbers(schemes.vector(2)),
    authorities: names === undefined ? [] : nameList(names.vector(2)),
  }
}

function requestOf12(reader: ByteReader): CertificateRequest {
  reader.vector(1)
  return { signatureSchemes: numbers(reader.vector(2)), authorities: nameList(reader.vector(2)) }
}

function extensions(reader: ByteReader): { type: number; body: ByteReader }[] {
  const list = reader.vector(2)
  const found: { type: number; body: ByteReader }[] = []
  while (!list.isEmpty) found.push({ type: list.number(2), body: list.vector(2) })
  return found
}

function protocolName(body: ByteReader): string {
  return Buffer.from(body.vector(2).vectorBytes(1)).toString('latin1')
}

function numbers(reader: ByteReader): number[] {
  const found: number[] = []
  while (!reader.isEmpty) found.push(reader.number(2))
  return found
}

function nameList(reader: ByteReader): Uint8Array[] {
  const names: Uint8Array[] = []
  while (!reader.isEmpty && names.length < MOST_AUTHORITIES) names.push(reader.vectorBytes(2))
  return names
}

type MessageReader = (flight: ServerFlight, reader: ByteReader) => ServerFlight

const READERS: ReadonlyMap<number, MessageReader> = new Map([
  [2, serverHello],
  [8, encryptedExtensions],
  [11, certificate],
  [12, serverKeyExchange],
  [13, certificateRequest],
  // ServerHelloDone of TLS 1.2, Finished of TLS 1.3
  [14, (flight: ServerFlight) => ({ ...flight, isComplete: true })],
  [20, (flight: ServerFlight) => ({ ...flight, isComplete: true })],
])

const VERSIONS: ReadonlyMap<number, ServerFlight['version']> = new Map([
  [0x0301, 'TLSv1'],
  [0x0302, 'TLSv1.1'],
  [0x0303, 'TLSv1.2'],
  [0x0304, 'TLSv1.3'],
])

const ALPN = 16
const SIGNATURE_ALGORITHMS = 13
const SUPPORTED_VERSIONS = 43
const CERTIFICATE_AUTHORITIES = 47
const KEY_SHARE = 51
const NAMED_CURVE = 3

const HEADER_LENGTH = 4
const MOST_MESSAGES = 64
const LONGEST_CHAIN = 32
const MOST_AUTHORITIES = 1000
