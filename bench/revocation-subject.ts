/**
 * One server of the measurement of mutual TLS and revocation: `node bench/revocation-subject.ts NAME`.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer, type ServerOptions } from 'node:https'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import {
  type HostOptions,
  nodeListener,
  peerOf,
  serve,
  type ServeOptions,
} from '@countersign/server'
import {
  buildCertificate,
  buildCrl,
  type CertificateRevocationList,
  Name,
  PrivateKey,
} from '@countersign/x509'
import { portOf, reportTo } from './servers.ts'

const HOUR = 3_600_000
const notBefore = new Date(Date.now() - HOUR)
const notAfter = new Date(Date.now() + 24 * HOUR)
const rootKey = PrivateKey.generateSync('p256')
const rootName = Name.from({ commonName: 'Bench Root' })
const root = buildCertificate(
  {
    subject: rootName,
    issuer: rootName,
    publicKey: rootKey.publicKey,
    notBefore,
    notAfter,
    ca: {},
    keyUsage: ['keyCertSign', 'cRLSign'],
  },
  rootKey.signer(),
)
const server = leaf('serverAuth', [{ type: 'dns', value: 'localhost' }])
const client = leaf('clientAuth', [{ type: 'uri', value: 'spiffe://bench/client' }])

/** The list is one: who wants the server to read another one asks it to. */
const lists = new Map<number, CertificateRevocationList>()

const mutual = { ...server, ca: root.pem, verifyUser: true } satisfies ServeOptions
const bareMutual = {
  ...server,
  ca: root.pem,
  requestCert: true,
  rejectUnauthorized: true,
} satisfies ServerOptions

const subjects = new Map<string, () => Promise<number>>([
  [
    'node:https',
    async () =>
      bare(
        server,
        answer(() => true),
      ),
  ],
  ['serve', async () => ours(server)],
  ['node:https, mutual', async () => bare(bareMutual, answer(bySocket))],
  ['serve, mutual', async () => ours(mutual)],
  ['node:https, getPeerCertificate() each time', async () => bare(bareMutual, answer(byQuestion))],
  ['serve, empty list', async () => ours({ ...mutual, crl: listOf(0).der })],
  ['serve, 100,000 revoked', async () => ours({ ...mutual, crl: listOf(100_000).der })],
  [
    'serve, own host, 100,000 revoked',
    async () =>
      ours({
        ...server,
        hosts: { localhost: { ...mutual, crl: listOf(100_000).der } satisfies HostOptions },
      }),
  ],
  [
    'node:https, 100,000 revoked',
    async () => bare({ ...bareMutual, crl: listOf(100_000).pem }, answer(bySocket)),
  ],
])

/** The identity of the client, read once for each connection. */
const identities = new WeakMap<object, string>()
/** Makes what a reload needs, and answers the reload. */
let prepare: (form: 'der' | 'pem') => () => Promise<unknown> = () => async () => {}

const start = subjects.get(process.argv[2] ?? '')
if (start === undefined) throw new Error(`no such subject: ${process.argv[2]}`)
reportTo(process, { port: await start(), ca: root.pem, client }, async (question) =>
  worstPause(prepare(question === 'swap pem' ? 'pem' : 'der')),
)

function answer(identify: (socket: Socket) => unknown): RequestListener {
  return (request, response) => {
    const body = JSON.stringify({ hello: String(identify(request.socket)) })
    response
      .writeHead(200, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      })
      .end(body)
  }
}

function bySocket(socket: Socket): string {
  let known = identities.get(socket)
  if (known === undefined) {
    known =
      (socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.subjectAltName : '') ?? ''
    identities.set(socket, known)
  }
  return known
}

function byQuestion(socket: Socket): string {
  return socket instanceof TLSSocket ? String(socket.getPeerCertificate().subjectaltname) : ''
}

async function bare(options: ServerOptions, listener: RequestListener): Promise<number> {
  const made = createServer(options, listener)
  made.listen(0, '127.0.0.1')
  await once(made, 'listening')
  return portOf(made)
}

async function ours(options: ServeOptions): Promise<number> {
  const running = await serve(
    nodeListener((request, response) => {
      const body = JSON.stringify({
        hello: peerOf(request)?.certificate?.subjectAltNames[0]?.type ?? 'true',
      })
      response
        .writeHead(200, {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        })
        .end(body)
    }),
    options,
  )
  let size = 100_000
  prepare = (form) => {
    // Another size, so that it is another list.
    size = size === 100_000 ? 100_001 : 100_000
    const crl = listOf(size)[form]
    return async () => running.reload({ crl })
  }
  return running.port
}

/**
 * The longest time in which the server does nothing else, while it does this: between two turns of its event loop, by the clock or by
 * the CPU time of its main thread, whichever is less. The clock counts the neighbours on the machine, and the CPU time may be
 * accounted in ticks of milliseconds.
 */
async function worstPause(work: () => Promise<unknown>): Promise<number> {
  let worst = 0
  let last = process.threadCpuUsage()
  let lastAt = performance.now()
  let running = true
  const tick = (): void => {
    const elapsed = performance.now() - lastAt
    const { user, system } = process.threadCpuUsage(last)
    worst = Math.max(worst, Math.min(elapsed, (user + system) / 1000))
    last = process.threadCpuUsage()
    lastAt = performance.now()
    if (running) setImmediate(tick)
  }
  setImmediate(tick)
  await work()
  running = false
  return worst
}

function listOf(size: number): CertificateRevocationList {
  let list = lists.get(size)
  if (list === undefined) {
    list = buildCrl(
      {
        issuer: root,
        crlNumber: BigInt(size + 1),
        thisUpdate: notBefore,
        nextUpdate: notAfter,
        revoked: Array.from({ length: size }, () => ({
          serialNumber: `4${randomBytes(16).toString('hex').slice(1)}`,
          date: notBefore,
        })),
      },
      rootKey.signer(),
    )
    lists.set(size, list)
  }
  return list
}

function leaf(
  usage: string,
  subjectAltNames: Parameters<typeof buildCertificate>[0]['subjectAltNames'],
): { cert: string; key: string } {
  const key = PrivateKey.generateSync('p256')
  const certificate = buildCertificate(
    {
      subject: Name.from({}),
      issuer: rootName,
      publicKey: key.publicKey,
      notBefore,
      notAfter,
      subjectAltNames,
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: [usage],
      authorityKeyId: rootKey.publicKey.keyId(),
    },
    rootKey.signer(),
  )
  return { cert: certificate.pem, key: key.toPem() }
}
