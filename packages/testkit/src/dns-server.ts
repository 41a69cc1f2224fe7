/**
 * A small DNS server on 127.0.0.1, UDP and TCP on one port: a zone in memory that a test fills while it runs (RFC 1035 §4).
 *
 * @module
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { createServer, type Server } from 'node:net'
import { once } from 'node:events'
import { errorCode } from '@countersign/core'

/** The records that can be given. */
export type DnsRecordType = 'A' | 'AAAA' | 'CNAME' | 'TXT'

/** A running server. */
export interface TestDnsServer extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly address: string
  readonly port: number
  /** Every question so far, `TXT _acme-challenge.a.test`. */
  readonly questions: readonly string[]
  /** Sets the records of a name and type; without values the name has none. */
  set(name: string, type: DnsRecordType, ...values: string[]): void
  /** Answers every question about a name with an error: 2 is SERVFAIL, 5 REFUSED. */
  fail(name: string, code: number): void
  /** Answers nothing about a name. */
  silence(name: string): void
}

/**
 * Starts a server. Names that it does not know do not exist.
 *
 * @param texts - what else is at a name as TXT, for programs that leave their records in files
 */
export async function startDnsServer(
  texts: (name: string) => readonly string[] = () => [],
): Promise<TestDnsServer> {
  const zone = new Map<string, string[]>()
  const faults = new Map<string, number>()
  const questions: string[] = []
  const answer = (message: Buffer): Buffer | undefined => {
    const question = readQuestion(message)
    if (question === undefined) return undefined
    const { name, type } = question
    questions.push(`${type} ${name}`)
    const fault = faults.get(name)
    if (fault === SILENT) return undefined
    if (fault !== undefined) return reply(message, question, fault, [])
    const more = type === 'TXT' ? texts(name) : []
    const records: ZoneRecord[] = [
      ...follow(zone, name, type),
      ...more.map((value) => ({ name, type: 'TXT' as const, value })),
    ]
    const exists = [...zone.keys()].some((key) => key.endsWith(` ${name}`))
    return reply(message, question, records.length > 0 || exists ? 0 : NAME_ERROR, records)
  }
  const { udp, tcp, port } = await listen()
  udp.on('message', (message, peer) => {
    const answered = answer(message)
    if (answered !== undefined) udp.send(answered, peer.port, peer.address)
  })
  tcp.on('connection', (socket) => {
    let received = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const length = received.readUInt16BE(0)
        const answered = answer(received.subarray(2, 2 + length))
        received = received.subarray(2 + length)
        if (answered !== undefined) {
          const head = Buffer.alloc(2)
          head.writeUInt16BE(answered.length)
          socket.write(Buffer.concat([head, answered]))
        }
      }
    })
  })
  return {
    address: `127.0.0.1:${port}`,
    port,
    questions,
    set(name, type, ...values) {
      zone.set(`${type} ${name.toLowerCase()}`, values)
    },
    fail(name, code) {
      faults.set(name.toLowerCase(), code)
    },
    silence(name) {
      faults.set(name.toLowerCase(), SILENT)
    },
    async [Symbol.asyncDispose]() {
      udp.close()
      tcp.close()
    },
  }
}

interface Question {
  readonly name: string
  readonly type: string
  /** The question as it stands in the message. */
  readonly bytes: Buffer
}

interface ZoneRecord {
  readonly name: string
  readonly type: DnsRecordType
  readonly value: string
}

/** The records of a name; what is an alias comes with what it leads to, as a resolver answers. */
function follow(zone: ReadonlyMap<string, string[]>, start: string, type: string): ZoneRecord[] {
  const records: ZoneRecord[] = []
  let name = start
  for (let hops = 0; hops < 20; hops++) {
    if (isRecordType(type)) {
      const own = zone.get(`${type} ${name}`) ?? []
      for (const value of own) records.push({ name, type, value })
      if (own.length > 0) return records
    }
    const [alias] = zone.get(`CNAME ${name}`) ?? []
    if (alias === undefined) return records
    records.push({ name, type: 'CNAME', value: alias })
    name = alias.toLowerCase()
  }
  return records
}

async function listen(): Promise<{ udp: UdpSocket; tcp: Server; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const tcp = createServer()
    tcp.listen(0, '127.0.0.1')
    await once(tcp, 'listening')
    const address = tcp.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const udp = createSocket('udp4')
    try {
      udp.bind(port, '127.0.0.1')
      await once(udp, 'listening')
      return { udp, tcp, port }
    } catch (error) {
      // Somebody has this port for UDP: another one, then.
      tcp.close()
      if (errorCode(error) !== 'EADDRINUSE' || attempt >= 20) throw error
    }
  }
}

function readQuestion(message: Buffer): Question | undefined {
  if (message.length < 17 || message.readUInt16BE(4) !== 1) return undefined
  const labels: string[] = []
  let at = 12
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    if (length > 63) return undefined
    labels.push(message.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  if (at + 5 > message.length) return undefined
  const code = message.readUInt16BE(at + 1)
  const type = TYPES.find(([, known]) => known === code)?.[0] ?? `TYPE${code}`
  return { name: labels.join('.').toLowerCase(), type, bytes: message.subarray(12, at + 5) }
}

function reply(
  message: Buffer,
  question: Question,
  code: number,
  records: readonly ZoneRecord[],
): Buffer {
  const head = Buffer.alloc(12)
  message.copy(head, 0, 0, 2)
  // An answer, authoritative, recursion as it was asked for and available.
  head.writeUInt16BE(0x8480 | (message.readUInt16BE(2) & 0x0100) | code, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(records.length, 6)
  return Buffer.concat([head, question.bytes, ...records.map(encodeRecord)])
}

function encodeRecord({ name, type, value }: ZoneRecord): Buffer {
  const data = encodeData(type, value)
  const head = Buffer.alloc(10)
  head.writeUInt16BE(TYPES.find(([known]) => known === type)?.[1] ?? 0, 0)
  head.writeUInt16BE(1, 2)
  head.writeUInt32BE(0, 4)
  head.writeUInt16BE(data.length, 8)
  return Buffer.concat([encodeName(name), head, data])
}

function encodeData(type: DnsRecordType, value: string): Buffer {
  if (type === 'A') return Buffer.from(value.split('.').map(Number))
  if (type === 'CNAME') return encodeName(value)
  if (type === 'AAAA') return ipv6(value)
  const bytes = Buffer.from(value)
  const parts: Buffer[] = []
  for (let start = 0; start === 0 || start < bytes.length; start += 255) {
    const part = bytes.subarray(start, start + 255)
    parts.push(Buffer.of(part.length), part)
  }
  return Buffer.concat(parts)
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.from(label, 'latin1'))
  return Buffer.concat([
    ...labels.flatMap((label) => [Buffer.of(label.length), label]),
    Buffer.of(0),
  ])
}

function ipv6(text: string): Buffer {
  const [head = '', tail] = text.split('::')
  const [left, right] = [groupsOf(head), groupsOf(tail ?? '')]
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => 0)
  const bytes = Buffer.alloc(16)
  for (const [index, group] of [...left, ...zeros, ...right].entries()) {
    bytes.writeUInt16BE(group, index * 2)
  }
  return bytes
}

function groupsOf(part: string): number[] {
  return part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))
}

function isRecordType(type: string): type is DnsRecordType {
  return TYPES.some(([known]) => known === type)
}

const TYPES: readonly (readonly [DnsRecordType, number])[] = [
  ['A', 1],
  ['CNAME', 5],
  ['TXT', 16],
  ['AAAA', 28],
]
const NAME_ERROR = 3
const SILENT = -1
