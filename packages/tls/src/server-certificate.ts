/**
 * A look at what a server presents, before anybody trusts it.
 *
 * @module
 */
import { connect as connectTcp } from 'node:net'
import { checkOptions, CoreError, type WaitOptions, waitFor } from '@countersign/core'
import { buildCertificate, type Certificate, Name, PrivateKey } from '@countersign/x509'
import { ClientHandshake } from './client-handshake.ts'
import { checkedHost, checkedPort } from './connect.ts'
import { createDefaultContext, type TlsContext } from './context.ts'
import { TlsError } from './errors.ts'
import { readPresented } from './presented.ts'
import { verifiedName } from './server-name.ts'

/** Whose certificate {@link getServerCertificate} fetches. */
export interface ServerCertificateOptions extends WaitOptions {
  host: string
  port: number
  /** @defaultValue `host` */
  serverName?: string | undefined
  /** Verifies it; without it the certificate is fetched and not verified. */
  context?: TlsContext | undefined
}

/**
 * Fetches the certificate of a server. Without `context` nothing says whose it is: compare its fingerprint with one that came
 * another way before you trust it. No data is sent: the handshake ends at the certificate.
 *
 * @throws {@link TlsError} `connect-failed`, `not-tls` and what else keeps a server from presenting one; with `context` every reason
 * of `connect`; CoreError `wait-timeout`, `wait-aborted`
 */
export async function getServerCertificate(
  options: ServerCertificateOptions,
): Promise<Certificate> {
  checkOptions(options, OPTIONS, 'getServerCertificate')
  const { context } = options
  const host = checkedHost(options.host)
  const port = checkedPort(options.port)
  return waitFor(`connect to ${options.host}:${options.port}`, options, async (signal) => {
    const handshake = new ClientHandshake({
      context: context ?? nobodyTrusted(),
      host,
      port,
      name: verifiedName(host, options.serverName),
      alpn: context?.alpn ?? [],
      session: undefined,
      open: () =>
        connectTcp({ host, port, autoSelectFamily: true, allowHalfOpen: true, noDelay: true }),
    })
    try {
      const socket = await handshake.run(signal)
      await socket.close()
    } catch (error) {
      // It was meant to be refused: nobody is trusted, and the refusal has what was presented.
      if (context !== undefined || error instanceof CoreError || handshake.presented.length === 0) {
        throw error
      }
    }
    const [leaf] = handshake.presented
    if (leaf !== undefined) return readPresented(leaf)
    throw new TlsError('handshake-failed', `${host}:${port} presented no certificate`)
  })
}

/** Trusts one authority whose key is thrown away here. */
function nobodyTrusted(): TlsContext {
  const key = PrivateKey.generateSync('p256')
  const name = Name.from({ commonName: 'nobody' })
  const now = Date.now()
  const root = buildCertificate(
    {
      subject: name,
      issuer: name,
      publicKey: key.publicKey,
      notBefore: new Date(now - 60_000),
      notAfter: new Date(now + 60_000),
      ca: { pathLength: 0 },
      keyUsage: ['keyCertSign'],
    },
    key.signer(),
  )
  return createDefaultContext({ ca: root, env: false })
}

const OPTIONS: readonly string[] = ['host', 'port', 'serverName', 'context', 'timeoutMs', 'signal']
