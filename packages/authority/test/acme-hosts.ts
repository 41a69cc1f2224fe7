/** Hosts that answer challenges, as they should or otherwise. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { hash } from 'node:crypto'
import { createSecureContext, createServer as createTlsServer, type SecureContext } from 'node:tls'
import type { Server } from 'node:net'
import {
  buildCertificate,
  type GeneralName,
  Name,
  PrivateKey,
  type RawExtension,
} from '@countersign/x509'

/** A host for http-01. */
export interface HttpHost extends AsyncDisposable {
  readonly port: number
  /** What is answered to a token; anything else is 404. */
  readonly tokens: Map<string, string>
  /** Answers instead, for a host name. */
  readonly handlers: Map<string, (incoming: IncomingMessage, outgoing: ServerResponse) => void>
  /** Every request, `HOST PATH`. */
  readonly requests: string[]
}

/** Starts one on 127.0.0.1. */
export async function startHttpHost(): Promise<HttpHost> {
  const tokens = new Map<string, string>()
  const handlers: HttpHost['handlers'] = new Map()
  const requests: string[] = []
  const server = createServer((incoming, outgoing) => {
    const host = (incoming.headers.host ?? '').replace(/:\d+$/, '')
    requests.push(`${host} ${incoming.url}`)
    const handler = handlers.get(host)
    if (handler !== undefined) {
      handler(incoming, outgoing)
      return
    }
    const token = /^\/\.well-known\/acme-challenge\/([\w-]+)$/.exec(incoming.url ?? '')?.[1]
    const answer = tokens.get(token ?? '')
    outgoing.statusCode = answer === undefined ? 404 : 200
    outgoing.end(answer)
  })
  const port = await listen(server)
  return {
    port,
    tokens,
    handlers,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** A host for tls-alpn-01. */
export interface TlsHost extends AsyncDisposable {
  readonly port: number
  /** What is shown for a name that is asked for. */
  readonly contexts: Map<string, SecureContext>
  /** The names that were asked for. */
  readonly names: string[]
}

/** Starts one on 127.0.0.1, which speaks `protocols`. */
export async function startTlsHost(
  protocols: readonly string[] = ['acme-tls/1'],
): Promise<TlsHost> {
  const contexts = new Map<string, SecureContext>()
  const names: string[] = []
  const server = createTlsServer({
    ALPNProtocols: [...protocols],
    SNICallback: (name, done) => {
      names.push(name)
      done(null, contexts.get(name))
    },
  })
  // Whoever asks hangs up once they have seen the certificate.
  server.on('tlsClientError', () => {})
  server.on('secureConnection', (socket) => socket.on('error', () => {}))
  return {
    port: await listen(server),
    contexts,
    names,
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
}

/** What a certificate for tls-alpn-01 says. */
export interface ChallengeCertificate {
  names: readonly GeneralName[]
  keyAuthorization: string
  /** @defaultValue true */
  critical?: boolean
  /** The extension instead of the right one; `null` for none. */
  value?: Uint8Array | null
}

/** A self-signed certificate for tls-alpn-01 (RFC 8737 §3). */
export function challengeContext(wanted: ChallengeCertificate): SecureContext {
  const { names, keyAuthorization, critical = true } = wanted
  const digest = hash('sha256', keyAuthorization, 'buffer')
  const value = wanted.value ?? new Uint8Array(Buffer.concat([Buffer.of(4, 32), digest]))
  const extension: RawExtension = { oid: '1.3.6.1.5.5.7.1.31', critical, value }
  const name = Name.from({ commonName: 'challenge' })
  const now = Date.now()
  const certificate = buildCertificate(
    {
      subject: name,
      issuer: name,
      publicKey: CHALLENGE_KEY.publicKey,
      notBefore: new Date(now - 60_000),
      notAfter: new Date(now + 3_600_000),
      subjectAltNames: names,
      extraExtensions: wanted.value === null ? [] : [extension],
    },
    CHALLENGE_KEY.signer(),
  )
  return createSecureContext({ cert: certificate.pem, key: CHALLENGE_KEY.toPem() })
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

const CHALLENGE_KEY = PrivateKey.generateSync('p256')
