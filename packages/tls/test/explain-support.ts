/**
 * What the tests of `explain` share: servers that send exactly what they are told to.
 *
 * @module
 */
import { once } from 'node:events'
import { createServer as createHttpsServer, type ServerOptions } from 'node:https'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import {
  explain,
  type ExplainOptions,
  type Explanation,
  type ExplainedCertificate,
} from '@countersign/tls'
import {
  buildCertificate,
  type Certificate,
  type CertificateTemplate,
  Name,
  PrivateKey,
} from '@countersign/x509'
import { authority } from './support.ts'

/** A server on the loopback. */
export interface Served extends AsyncDisposable {
  port: number
}

/** Options of {@link serveChain}: what Node's server takes, and how to answer. */
export interface ServeOptions extends Omit<ServerOptions, 'cert' | 'key'> {
  /** Of the answer. @defaultValue now */
  date?: Date | undefined
  /** Of the answer. @defaultValue 200 */
  status?: number | undefined
  /** Of the answer. @defaultValue none */
  contentType?: string | undefined
}

/** Serves HTTPS with these certificates, in this order, whatever they are. */
export async function serveChain(
  chain: readonly Certificate[],
  key: PrivateKey,
  { date, status = 200, contentType, ...options }: ServeOptions = {},
): Promise<Served> {
  const server = createHttpsServer(
    { ...options, cert: chain.map(({ pem }) => pem).join(''), key: key.toPem() },
    (_request, response) => {
      if (date !== undefined) response.setHeader('Date', date.toUTCString())
      if (contentType !== undefined) response.setHeader('Content-Type', contentType)
      response.writeHead(status).end()
    },
  )
  return served(server)
}

/** Serves TCP by hand; what is left open is closed with the server. */
export async function serveTcp(handle: (socket: Socket) => void): Promise<Served> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined)
    handle(socket)
  })
  return served(server)
}

/** Starts any server on the loopback. */
export async function served(server: Server): Promise<Served> {
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

/** Explains a server of the loopback; trusts the test authority, and looks nowhere else. */
export function explainServer(
  { port }: { port: number },
  options: ExplainOptions = {},
): Promise<Explanation> {
  return explain(
    { host: '127.0.0.1', port },
    {
      ...(options.trust === undefined ? { ca: authority.rootPem } : {}),
      serverName: 'localhost',
      searchElsewhere: false,
      timeoutMs: 20_000,
      ...options,
    },
  )
}

/** A certificate with its key. */
export interface Made {
  certificate: Certificate
  key: PrivateKey
}

/** A leaf of the test authority's issuer for `localhost`, but for what is said. */
export function makeLeaf(changes: Partial<CertificateTemplate> = {}, issuer?: Made): Made {
  const key = PrivateKey.generateSync('p256')
  const by = issuer ?? { certificate: authority.issuer, key: authority.issuerKey }
  const certificate = buildCertificate(
    {
      subject: Name.from({ commonName: 'localhost' }),
      issuer: by.certificate.subject,
      publicKey: key.publicKey,
      notBefore: new Date(Date.now() - DAY),
      notAfter: new Date(Date.now() + 30 * DAY),
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: ['serverAuth'],
      subjectAltNames: [
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
      ],
      authorityKeyId: by.key.publicKey.keyId(),
      ...changes,
    },
    by.key.signer(),
  )
  return { certificate, key }
}

/** An authority below another, or a root. */
export function makeAuthority(
  commonName: string,
  parent?: Made,
  changes: Partial<CertificateTemplate> = {},
): Made {
  const key = PrivateKey.generateSync('p256')
  const subject = Name.from({ commonName })
  const by = parent ?? { certificate: undefined, key }
  const certificate = buildCertificate(
    {
      subject,
      issuer: by.certificate?.subject ?? subject,
      publicKey: key.publicKey,
      notBefore: new Date(Date.now() - DAY),
      notAfter: new Date(Date.now() + 300 * DAY),
      ca: {},
      keyUsage: ['keyCertSign', 'cRLSign'],
      authorityKeyId: by.key.publicKey.keyId(),
      ...changes,
    },
    by.key.signer(),
  )
  return { certificate, key }
}

/** A chain in one line each: who, from where, and its link. */
export function shape(chain: readonly ExplainedCertificate[]): string[] {
  return chain.map(
    ({ subject, from, sentAt, link, superfluous }) =>
      `${subject.replace(/,.*/, '')} ${from}${sentAt ?? ''} ${superfluous ? 'superfluous' : link}`,
  )
}

export const DAY = 86_400_000
