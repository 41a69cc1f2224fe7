/**
 * The header of the PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt): who the client in front of a proxy is.
 *
 * Not here: from whom it is taken. `front-door.ts` asks {@link ProxyAllowance}.
 *
 * @module
 */
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'
import { checkOptions } from '@countersign/core'
import { ServerError } from './errors.ts'
import type { Origin } from './origin.ts'

/** From whom the PROXY protocol is taken. */
export interface ProxyProtocolOptions {
  /**
   * Addresses and networks of the proxies: `['10.0.0.7', '127.0.0.0/8', 'fd00::/8']`. Their connections must begin with a header; a
   * header from anybody else closes the connection.
   */
  from: readonly string[]
}

/** How far a header has come. */
export type ProxyProgress =
  | { readonly state: 'incomplete' }
  | { readonly state: 'malformed'; readonly why: string }
  | {
      readonly state: 'complete'
      /** How many bytes the header takes. */
      readonly length: number
      /** `undefined` where the proxy speaks for itself (LOCAL, UNKNOWN): the connection's own address stands. */
      readonly origin: Origin | undefined
    }

/**
 * Reads a header from the beginning of a connection.
 *
 * The type-length-values of version 2 are skipped; all of them together may have 2048 bytes.
 */
export function readProxyHeader(bytes: Uint8Array): ProxyProgress {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (startsAlike(buffer, SIGNATURE_2)) return readVersion2(buffer)
  if (startsAlike(buffer, SIGNATURE_1)) return readVersion1(buffer)
  return malformed('no PROXY header')
}

/** The proxies that may send a header. */
export class ProxyAllowance {
  readonly #from = new BlockList()

  /** @throws {@link ServerError} `option-invalid`; CoreError `option-unknown` */
  constructor(options: ProxyProtocolOptions) {
    checkOptions(options, ['from'], 'serve: proxyProtocol')
    if (!Array.isArray(options.from) || options.from.length === 0) {
      throw invalid('proxyProtocol.from names nobody', "name the proxies: from: ['10.0.0.7']")
    }
    for (const one of options.from) this.#add(one)
  }

  /** @param address - as `socket.remoteAddress` has it */
  has(address: string | undefined): boolean {
    if (address === undefined) return false
    return this.#from.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
  }

  #add(one: unknown): void {
    const [, address = '', prefix] = /^([0-9A-Fa-f.:]+)(?:\/(\d{1,3}))?$/.exec(String(one)) ?? []
    const family = isIP(address)
    const longest = family === 6 ? 128 : 32
    if (family === 0 || (prefix !== undefined && Number(prefix) > longest)) {
      throw invalid(
        `proxyProtocol.from: ${JSON.stringify(one)} is no address and no network`,
        "write '10.0.0.7' or '10.0.0.0/8'",
      )
    }
    const length = prefix === undefined ? longest : Number(prefix)
    this.#from.addSubnet(address, length, family === 6 ? 'ipv6' : 'ipv4')
  }
}

function readVersion1(bytes: Buffer): ProxyProgress {
  const end = bytes.subarray(0, LONGEST_1).indexOf('\r\n', 0, 'latin1')
  if (end < 0) {
    return bytes.length >= LONGEST_1 ? malformed('a PROXY line above 107 bytes') : INCOMPLETE
  }
  const line = bytes.toString('latin1', 0, end)
  const length = end + 2
  // Whatever else such a line holds is to be ignored.
  if (/^PROXY UNKNOWN(?: [ -~]*)?$/.test(line))
    return { state: 'complete', length, origin: undefined }
  const [, family, source = '', target = '', sourcePort, targetPort] =
    /^PROXY TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})$/.exec(line) ?? []
  const isAddress = family === '4' ? isIPv4 : isPlainIpv6
  const port = portOf(sourcePort)
  if (
    !isAddress(source) ||
    !isAddress(target) ||
    port === undefined ||
    portOf(targetPort) === undefined
  ) {
    return malformed('a PROXY line that cannot be read')
  }
  return { state: 'complete', length, origin: { address: source, port } }
}

function readVersion2(bytes: Buffer): ProxyProgress {
  if (bytes.length < HEADER_2) return INCOMPLETE
  const version = (bytes[12] ?? 0) >> 4
  const command = (bytes[12] ?? 0) & 15
  const family = bytes[13] ?? 0
  const rest = bytes.readUInt16BE(14)
  if (version !== 2 || command > 1) return malformed('an unknown version or command of PROXY')
  if (rest > LONGEST_2) return malformed(`a PROXY header of ${rest} bytes`)
  const length = HEADER_2 + rest
  if (bytes.length < length) return INCOMPLETE
  // LOCAL: a health check of the proxy itself; what stands behind it means nothing.
  if (command === 0 || family === UNSPECIFIED)
    return { state: 'complete', length, origin: undefined }
  const body = bytes.subarray(HEADER_2, length)
  if (family === TCP_4 && rest >= 12) {
    const address = [...body.subarray(0, 4)].join('.')
    return { state: 'complete', length, origin: { address, port: body.readUInt16BE(8) } }
  }
  if (family === TCP_6 && rest >= 36) {
    return {
      state: 'complete',
      length,
      origin: { address: ipv6(body), port: body.readUInt16BE(32) },
    }
  }
  return malformed('a PROXY header without addresses of TCP')
}

/** As Node writes it: in its shortest form. */
function ipv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

function isPlainIpv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%')
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^(?:0|[1-9]\d*)$/.test(text)) return undefined
  const port = Number(text)
  return port > 65_535 ? undefined : port
}

/** Whether the bytes begin with the mark, as far as there are any. */
function startsAlike(bytes: Buffer, mark: Buffer): boolean {
  const length = Math.min(bytes.length, mark.length)
  return bytes.compare(mark, 0, length, 0, length) === 0
}

function malformed(why: string): ProxyProgress {
  return { state: 'malformed', why }
}

function invalid(message: string, hint: string): ServerError {
  return new ServerError('option-invalid', message, { option: 'proxyProtocol', hint })
}

const INCOMPLETE: ProxyProgress = { state: 'incomplete' }

/** Version 1 in full: what begins so is not HTTP, and nothing else. */
export const SIGNATURE_1: Buffer = Buffer.from('PROXY ', 'latin1')
const SIGNATURE_2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')

const LONGEST_1 = 107
const HEADER_2 = 16
const LONGEST_2 = 2048
const UNSPECIFIED = 0x00
const TCP_4 = 0x11
const TCP_6 = 0x21
