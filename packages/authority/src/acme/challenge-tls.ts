/**
 * tls-alpn-01 (RFC 8737): on the port of TLS, asked for `acme-tls/1`, the host shows a certificate that carries the digest of the key
 * authorization.
 *
 * The handshake is made as every other, and ends in the refusal of a certificate that nobody signed: there is nothing to say to the
 * other side. What it showed, and signed the handshake with, is read in the moment before.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { isIP } from 'node:net'
import { connect } from 'node:tls'
import { Certificate, ipToBytes, X509Error } from '@countersign/x509'
import { connectionProblem } from './challenge-http.ts'
import { identifierKey, identifierOf } from './identifiers.ts'
import type { Networks } from './networks.ts'
import { AcmeProblem } from './problem.ts'
import type { Identifier } from './schema.ts'

/**
 * Looks at the certificate of a host.
 *
 * @throws AcmeProblem `connection`, `dns`, `tls`, `incorrectResponse`
 */
export async function validateTls(
  networks: Networks,
  port: number,
  identifier: Identifier,
  keyAuthorization: string,
  signal: AbortSignal,
): Promise<void> {
  const { value: host } = identifier
  const addresses = await networks.addressesOf(host, signal)
  let fault: unknown
  for (const address of addresses) {
    let shown: Shown | undefined
    try {
      shown = await look(address, port, serverNameOf(identifier), signal)
    } catch (error) {
      fault = error
      if (signal.aborted) break
    }
    if (shown !== undefined) {
      checkShown(shown, identifier, keyAuthorization)
      return
    }
  }
  throw connectionProblem(`port ${port} of ${host} (${addresses.join(', ')})`, fault, signal)
}

/** What the other side presented in a handshake that it completed. */
interface Shown {
  readonly alpn: string | false | null
  readonly certificate: Uint8Array | undefined
}

async function look(
  address: string,
  port: number,
  servername: string,
  signal: AbortSignal,
): Promise<Shown> {
  const { promise, resolve, reject } = Promise.withResolvers<Shown>()
  const socket = connect({ host: address, port, servername, ALPNProtocols: [PROTOCOL] })
  const stop = (): void => {
    socket.destroy(new Error('it took too long'))
  }
  signal.addEventListener('abort', stop)
  // Before Node looks at whether the certificate is trusted: it is not, and the connection ends there.
  socket.prependListener('secure', () => {
    resolve({
      alpn: socket.alpnProtocol,
      certificate: socket.getPeerX509Certificate()?.raw,
    })
  })
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('it hung up')))
  try {
    signal.throwIfAborted()
    return await promise
  } finally {
    signal.removeEventListener('abort', stop)
    socket.destroy()
  }
}

/** Everything that RFC 8737 §3 asks of it. */
function checkShown(shown: Shown, identifier: Identifier, keyAuthorization: string): void {
  if (shown.alpn !== PROTOCOL) throw wrong(`the server does not speak ${PROTOCOL}`)
  if (shown.certificate === undefined) throw wrong('the server showed no certificate')
  try {
    checkCertificate(
      Certificate.parse(new Uint8Array(shown.certificate)),
      identifier,
      keyAuthorization,
    )
  } catch (error) {
    // What is inside is read when it is asked for.
    if (error instanceof X509Error) throw wrong(error.message)
    throw error
  }
}

function checkCertificate(
  certificate: Certificate,
  identifier: Identifier,
  keyAuthorization: string,
): void {
  const names = certificate.subjectAltNames
  const [name] = names
  const own = name === undefined ? undefined : identifierOf(name)
  if (names.length !== 1 || own === undefined || identifierKey(own) !== identifierKey(identifier)) {
    throw wrong('the certificate is not for this name alone')
  }
  const extension = certificate.extensions.all.find(({ oid }) => oid === ACME_IDENTIFIER)
  if (extension === undefined) throw wrong('the certificate has no acmeIdentifier')
  if (!extension.critical) throw wrong('acmeIdentifier of the certificate is not critical')
  const digest = hash('sha256', keyAuthorization, 'buffer')
  // An octet string of 32 bytes.
  const expected = Buffer.concat([Buffer.of(0x04, 0x20), digest])
  if (Buffer.compare(extension.value, expected) !== 0) {
    throw wrong('acmeIdentifier of the certificate is not the digest of the key authorization')
  }
}

/** The name to ask for: an address stands as its name of the reverse zone (RFC 8738 §6). */
function serverNameOf({ type, value }: Identifier): string {
  if (type === 'dns' || isIP(value) === 0) return value
  const bytes = ipToBytes(value) ?? new Uint8Array()
  if (bytes.length === 4) return `${[...bytes].toReversed().join('.')}.in-addr.arpa`
  const digits = Buffer.from(bytes).toString('hex').split('')
  return `${digits.toReversed().join('.')}.ip6.arpa`
}

function wrong(detail: string): AcmeProblem {
  return new AcmeProblem('incorrectResponse', detail)
}

const PROTOCOL = 'acme-tls/1'
/** id-pe-acmeIdentifier (RFC 8737 §6.1). */
const ACME_IDENTIFIER = '1.3.6.1.5.5.7.1.31'
