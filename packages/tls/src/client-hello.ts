/**
 * The first message of a TLS client (RFC 8446 §4.1.2), read before anybody answers it: which name it asks for, what it speaks.
 *
 * Strict: what breaks the format is refused. What a server may ignore (unknown extensions, GREASE) is ignored. A hello with a
 * hybrid key share is larger than a packet and may be spread over records, so it is put together first.
 *
 * @module
 */
import { ByteReader, Truncated } from './explain/byte-reader.ts'

/** What a client says first; nothing of it is proven. */
export interface ClientHello {
  /** The host name it asks for (RFC 6066 §3), in lower case; absent where it names none. */
  readonly serverName: string | undefined
  /** Application protocols, in its order. */
  readonly alpn: readonly string[]
  /** Versions it speaks, as Node names them; others in hex. */
  readonly versions: readonly string[]
  /** Named groups, in its order; those without a name here in hex. */
  readonly groups: readonly string[]
  /** The groups it sends a key share for (RFC 8446 §4.2.8), in its order; empty before TLS 1.3. */
  readonly keyShares: readonly string[]
  /**
   * Lower-case hex of the 16 bytes that say which key its session ticket was sealed with (RFC 5077 §4, as OpenSSL writes it);
   * absent where it brings no ticket.
   */
  readonly ticketKeyName: string | undefined
}

/** How far a hello has come: `incomplete` wants more bytes, `malformed` will never be one. */
export type HelloProgress =
  | { readonly state: 'incomplete' }
  | { readonly state: 'complete'; readonly hello: ClientHello }
  | { readonly state: 'malformed'; readonly why: string }

/** Puts the hello of one connection together; each byte is looked at once, however it is cut. */
export class ClientHelloReader {
  readonly #limit: number
  readonly #header = new Uint8Array(RECORD_HEADER)
  #headerLength = 0
  /** Bytes still to come of the record under way. */
  #remaining = 0
  #parts: Uint8Array[] = []
  #length = 0
  #seen = 0
  /** Length of the message with its own header; known from its fourth byte. */
  #wanted: number | undefined

  /** @param limit - of all bytes together, record headers included */
  constructor(limit: number = MOST_BYTES) {
    this.#limit = limit
  }

  /**
   * Takes the next bytes of the connection; not to be called again once the answer is another than `incomplete`.
   *
   * @param chunk - must not change until then
   */
  add(chunk: Uint8Array): HelloProgress {
    let at = 0
    while (at < chunk.length) {
      if (this.#remaining === 0) {
        this.#header[this.#headerLength++] = chunk[at++] ?? 0
        this.#seen++
        const fault = this.#checkHeader()
        if (fault !== undefined) return { state: 'malformed', why: fault }
        continue
      }
      const step = Math.min(this.#remaining, chunk.length - at)
      this.#parts.push(chunk.subarray(at, at + step))
      this.#length += step
      this.#remaining -= step
      this.#seen += step
      at += step
      const progress = this.#checkMessage()
      if (progress !== undefined) return progress
    }
    if (this.#seen >= this.#limit)
      return { state: 'malformed', why: `more than ${this.#limit} bytes` }
    return INCOMPLETE
  }

  /** Each byte of a record's header as it comes: what is no TLS is known at once. */
  #checkHeader(): string | undefined {
    const [type, major] = this.#header
    if (type !== HANDSHAKE) return 'no handshake record'
    if (this.#headerLength >= 2 && major !== 3) return 'no version of TLS'
    if (this.#headerLength < RECORD_HEADER) return undefined
    this.#headerLength = 0
    this.#remaining = (this.#header[3] ?? 0) * 256 + (this.#header[4] ?? 0)
    // RFC 8446 §5.1: no empty fragments of handshake messages, and none above 2^14.
    if (this.#remaining === 0) return 'an empty record'
    return this.#remaining > LARGEST_RECORD ? 'a record above 16384 bytes' : undefined
  }

  #checkMessage(): HelloProgress | undefined {
    if (this.#wanted === undefined) {
      if (this.#length < MESSAGE_HEADER) return undefined
      const start = this.#joined()
      if (start[0] !== CLIENT_HELLO) return { state: 'malformed', why: 'no ClientHello' }
      this.#wanted = MESSAGE_HEADER + start.readUIntBE(1, 3)
      if (this.#wanted > this.#limit) {
        return { state: 'malformed', why: `a ClientHello of ${this.#wanted} bytes` }
      }
    }
    if (this.#length < this.#wanted) return undefined
    // Nothing may follow before the server has answered, except early data, which is another type of record.
    if (this.#length > this.#wanted) return { state: 'malformed', why: 'more than a ClientHello' }
    try {
      return { state: 'complete', hello: readHello(this.#joined().subarray(MESSAGE_HEADER)) }
    } catch (error) {
      if (!(error instanceof Truncated)) throw error
      return { state: 'malformed', why: error.message }
    }
  }

  #joined(): Buffer {
    const [first] = this.#parts
    if (this.#parts.length === 1 && first !== undefined) {
      return Buffer.from(first.buffer, first.byteOffset, first.byteLength)
    }
    const whole = Buffer.concat(this.#parts, this.#length)
    this.#parts = [whole]
    return whole
  }
}

interface Found {
  serverName: string | undefined
  alpn: readonly string[]
  versions: readonly string[]
  groups: readonly string[]
  keyShares: readonly string[]
  ticket: Uint8Array | undefined
  pskIdentity: Uint8Array | undefined
}

function readHello(body: Uint8Array): ClientHello {
  const reader = new ByteReader(body)
  const legacyVersion = reader.number(2)
  if (legacyVersion >> 8 !== 3) throw new Truncated('no version of TLS')
  reader.skip(32)
  if (reader.vector(1).remaining > 32) throw new Truncated('a session id above 32 bytes')
  const suites = reader.vector(2).remaining
  if (suites === 0 || suites % 2 !== 0) throw new Truncated('no cipher suites')
  if (!reader.vectorBytes(1).includes(NO_COMPRESSION)) throw new Truncated('compression only')
  const found: Found = {
    serverName: undefined,
    alpn: [],
    versions: [versionName(legacyVersion)],
    groups: [],
    keyShares: [],
    ticket: undefined,
    pskIdentity: undefined,
  }
  if (!reader.isEmpty) readExtensions(reader.vector(2), found)
  if (!reader.isEmpty) throw new Truncated('bytes after the extensions')
  const { ticket, pskIdentity, ...hello } = found
  return { ...hello, ticketKeyName: keyNameOf(pskIdentity) ?? keyNameOf(ticket) }
}

function readExtensions(list: ByteReader, found: Found): void {
  const seen = new Set<number>()
  while (!list.isEmpty) {
    const type = list.number(2)
    const body = list.vector(2)
    // RFC 8446 §4.2: one of each type, and pre_shared_key last (§4.2.11).
    if (seen.has(type)) throw new Truncated(`extension ${type} twice`)
    if (seen.has(PRE_SHARED_KEY)) throw new Truncated('an extension after pre_shared_key')
    seen.add(type)
    const read = EXTENSIONS.get(type)
    if (read === undefined) continue
    read(body, found)
    if (!body.isEmpty) throw new Truncated(`bytes after the content of extension ${type}`)
  }
}

const EXTENSIONS: ReadonlyMap<number, (body: ByteReader, found: Found) => void> = new Map([
  [0, readServerName],
  [
    10,
    (body: ByteReader, found: Found) => {
      found.groups = numbers(body.vector(2)).map(groupName)
    },
  ],
  [16, readAlpn],
  [
    35,
    (body: ByteReader, found: Found) => {
      found.ticket = body.bytes(body.remaining)
    },
  ],
  [41, readPreSharedKeys],
  [
    43,
    (body: ByteReader, found: Found) => {
      found.versions = numbers(body.vector(1)).map((version) => versionName(version))
    },
  ],
  [51, readKeyShares],
])

/** An empty list asks the server to choose (RFC 8446 §4.2.8). */
function readKeyShares(body: ByteReader, found: Found): void {
  const list = body.vector(2)
  const shares: string[] = []
  while (!list.isEmpty) {
    shares.push(groupName(list.number(2)))
    if (list.vector(2).isEmpty) throw new Truncated('an empty key share')
  }
  found.keyShares = shares
}

function readServerName(body: ByteReader, found: Found): void {
  const list = body.vector(2)
  while (!list.isEmpty) {
    const type = list.number(1)
    const name = Buffer.from(list.vectorBytes(2)).toString('latin1')
    if (type !== HOST_NAME) continue
    if (found.serverName !== undefined) throw new Truncated('two host names')
    // Lax about which names there are, strict about bytes that could be taken for something else further on.
    if (!/^[!-~]{1,255}$/.test(name)) throw new Truncated('no host name')
    found.serverName = name.toLowerCase()
  }
}

function readAlpn(body: ByteReader, found: Found): void {
  const list = body.vector(2)
  const names: string[] = []
  while (!list.isEmpty) {
    const name = list.vectorBytes(1)
    if (name.length === 0) throw new Truncated('an empty application protocol')
    names.push(Buffer.from(name).toString('latin1'))
  }
  if (names.length === 0) throw new Truncated('no application protocol')
  found.alpn = names
}

function readPreSharedKeys(body: ByteReader, found: Found): void {
  const identities = body.vector(2)
  while (!identities.isEmpty) {
    const identity = identities.vectorBytes(2)
    identities.skip(4)
    found.pskIdentity ??= identity
  }
  if (found.pskIdentity === undefined) throw new Truncated('no pre-shared key')
  const binders = body.vector(2)
  while (!binders.isEmpty) binders.vector(1)
}

function numbers(list: ByteReader): number[] {
  const all: number[] = []
  while (!list.isEmpty) all.push(list.number(2))
  if (all.length === 0) throw new Truncated('an empty list')
  return all
}

function keyNameOf(ticket: Uint8Array | undefined): string | undefined {
  if (ticket === undefined || ticket.length < KEY_NAME) return undefined
  return Buffer.from(ticket.buffer, ticket.byteOffset, KEY_NAME).toString('hex')
}

function groupName(group: number): string {
  return GROUPS.get(group) ?? hex(group)
}

function versionName(version: number): string {
  return VERSIONS.get(version) ?? hex(version)
}

function hex(number: number): string {
  return `0x${number.toString(16).padStart(4, '0')}`
}

const INCOMPLETE: HelloProgress = { state: 'incomplete' }

const VERSIONS: ReadonlyMap<number, string> = new Map([
  [0x0300, 'SSLv3'],
  [0x0301, 'TLSv1'],
  [0x0302, 'TLSv1.1'],
  [0x0303, 'TLSv1.2'],
  [0x0304, 'TLSv1.3'],
])

/** Names as OpenSSL has them. */
const GROUPS: ReadonlyMap<number, string> = new Map([
  [0x0017, 'P-256'],
  [0x0018, 'P-384'],
  [0x0019, 'P-521'],
  [0x001d, 'X25519'],
  [0x001e, 'X448'],
  [0x0100, 'ffdhe2048'],
  [0x0101, 'ffdhe3072'],
  [0x0200, 'MLKEM512'],
  [0x0201, 'MLKEM768'],
  [0x0202, 'MLKEM1024'],
  [0x11eb, 'SecP256r1MLKEM768'],
  [0x11ec, 'X25519MLKEM768'],
  [0x11ed, 'SecP384r1MLKEM1024'],
])

const HANDSHAKE = 22
const CLIENT_HELLO = 1
const HOST_NAME = 0
const NO_COMPRESSION = 0
const PRE_SHARED_KEY = 41
const KEY_NAME = 16
const RECORD_HEADER = 5
const MESSAGE_HEADER = 4
const LARGEST_RECORD = 16_384
/** A hello with two hybrid shares and a ticket has 3 KiB. */
const MOST_BYTES = 16_384
