/**
 * What was agreed in a handshake, as a log and the numbers name it.
 *
 * @module
 */
import type { TLSSocket } from 'node:tls'
import type { ClientHello } from '@countersign/tls'

/** What a handshake came to. */
export interface TlsFacts {
  readonly version: string
  /** As IANA names it. */
  readonly cipher: string
  /** `undefined` where no group took part: a resumed session of TLS 1.2. */
  readonly group: string | undefined
  readonly alpn: string | undefined
  /** The host name of the handshake. */
  readonly sni: string | undefined
  readonly resumed: boolean
}

/**
 * Reads them from a connection.
 *
 * @param hello - what the client began with: Node does not tell a server the group
 */
export function tlsFactsOf(socket: TLSSocket, hello: ClientHello | undefined): TlsFacts {
  const version = socket.getProtocol() ?? 'unknown'
  const resumed = socket.isSessionReused()
  const { servername: sni } = socket
  return {
    version,
    cipher: socket.getCipher().standardName,
    group: hello === undefined ? undefined : agreedGroup(hello, version, resumed),
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined,
    sni: typeof sni === 'string' && sni !== '' ? sni : undefined,
    resumed,
  }
}

/**
 * The group that OpenSSL chooses among ours. In TLS 1.3 the first of ours that the client sent a share for, else the first that it
 * can make one for (RFC 8446 §4.2.7); before, the first of the client's that we have.
 */
function agreedGroup(hello: ClientHello, version: string, resumed: boolean): string | undefined {
  const { groups, keyShares } = hello
  if (version === 'TLSv1.3') {
    return (
      OUR_GROUPS.find((group) => keyShares.includes(group)) ??
      OUR_GROUPS.find((group) => groups.includes(group))
    )
  }
  if (resumed) return undefined
  return groups.find((group) => CLASSIC_GROUPS.has(group))
}

/** The order of the profiles of @countersign/tls. */
const OUR_GROUPS: readonly string[] = ['X25519MLKEM768', 'X25519', 'P-256', 'P-384']
/** The hybrid one is of TLS 1.3 alone. */
const CLASSIC_GROUPS: ReadonlySet<string> = new Set(OUR_GROUPS.slice(1))
