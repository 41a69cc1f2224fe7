/**
 * A trust store of 10,000 roots against one of 10: looking up, verifying, building; and connections under a context that is
 * built once against `ca` given each time.
 *
 * Usage: node bench/trust.ts [--json FILE]
 *
 * @module
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { connect as nodeConnect, createSecureContext } from 'node:tls'
import { connect, createDefaultContext, listen, TrustStore, watchTrust } from '@countersign/tls'
import {
  buildCertificate,
  type Certificate,
  Name,
  PrivateKey,
  verifyChain,
} from '@countersign/x509'
import { checkBars, compare, rateOf, rateOfAsync, saveResults } from './harness.ts'

const now = Date.now()
const validity = { notBefore: new Date(now - 86_400_000), notAfter: new Date(now + 86_400_000) }
const [rootKey, leafKey] = [1, 2].map(() => PrivateKey.generateSync('p256'))
if (rootKey === undefined || leafKey === undefined) process.exit(1)
const rootSigner = rootKey.signer()
const rootPublicKey = rootKey.publicKey

/** PEM of a root; only the names differ, for making 10,000 keys would take longer than all the rest. */
function root(commonName: string): string {
  const subject = Name.from({ organization: 'Bench', commonName })
  const authority = { subject, issuer: subject, publicKey: rootPublicKey, ...validity, ca: {} }
  return buildCertificate(authority, rootSigner).pem
}

const pems = Array.from({ length: 10_000 }, (_, index) => root(`Root ${index}`))
const [large, small, single] = [10_000, 10, 1].map((count) =>
  TrustStore.fromPem(pems.slice(0, count).join('')),
)
if (large === undefined || small === undefined || single === undefined) process.exit(1)
const [wanted] = single.certificates
if (wanted === undefined) process.exit(1)
const leaf = buildCertificate(
  {
    subject: Name.from({}),
    issuer: wanted.subject,
    publicKey: leafKey.publicKey,
    ...validity,
    subjectAltNames: [
      { type: 'dns', value: 'localhost' },
      { type: 'ip', value: '127.0.0.1' },
    ],
    extendedKeyUsage: ['serverAuth'],
  },
  rootSigner,
)

const LOOKUP = 'look an issuer up by name and a certificate by fingerprint'
const lookups = await compare(
  LOOKUP,
  'per second',
  [
    { name: 'among 10 roots', run: () => rateOf(() => lookUp(small, wanted), 20) },
    { name: 'among 10,000 roots', run: () => rateOf(() => lookUp(large, wanted), 20) },
  ],
  51,
)
checkBars(lookups, [{ subject: 'among 10,000 roots', against: 'among 10 roots', atLeast: 0.8 }])

const verified = await compare(
  'verify a P-256 chain',
  'per second',
  [
    { name: 'against 1 root', run: () => rateOf(() => verify(single), 20) },
    { name: 'against 10,000 roots', run: () => rateOf(() => verify(large), 20) },
  ],
  51,
)
checkBars(verified, [{ subject: 'against 10,000 roots', against: 'against 1 root', atLeast: 0.9 }])

const all = pems.join('')
const hundred = pems.slice(0, 100).join('')
const stores = await compare(
  'build a store and its index once',
  'certificates per second',
  [
    { name: 'of 100 roots', run: () => certificatesPerSecond(() => build(hundred), 100, 20) },
    { name: 'of 10,000 roots', run: () => certificatesPerSecond(() => build(all), 10_000, 1) },
    { name: 'OpenSSL, 10,000 roots', run: () => certificatesPerSecond(load, 10_000, 1) },
  ],
  5,
)
checkBars(stores, [
  // One that looked at all the others for each would reach a hundredth; what is left is the garbage collector.
  { subject: 'of 10,000 roots', against: 'of 100 roots', atLeast: 0.4 },
  { subject: 'of 10,000 roots', against: 'OpenSSL, 10,000 roots', atLeast: 1 },
])

const folder = mkdtempSync(path.join(tmpdir(), 'countersign-bench-'))
try {
  const bundle = path.join(folder, 'bundle.pem')
  writeFileSync(bundle, pems.slice(0, 150).join(''))
  const old = new Date(now - 60_000)
  utimesSync(bundle, old, old)
  await using trust = watchTrust({ ca: bundle, env: false, intervalMs: 0 })
  const watching = await compare(
    'follow a bundle of 150 roots',
    'per second',
    [
      { name: 'read it again', run: () => rateOf(() => trust.reload(), 50) },
      { name: 'look whether it changed', run: () => rateOfAsync(() => trust.check(), 50) },
    ],
    15,
  )
  checkBars(watching, [
    { subject: 'look whether it changed', against: 'read it again', atLeast: 20 },
  ])
} finally {
  rmSync(folder, { recursive: true })
}

// What a program on this machine trusts by default, and the root of the server below.
const everything = TrustStore.resolve({ extraCa: single, env: false })
const context = createDefaultContext({ trust: everything })
const ca = everything.certificates.map(({ pem }) => pem)
await using listener = await listen({
  host: '127.0.0.1',
  port: 0,
  context: createDefaultContext({ purpose: 'client-auth', cert: leaf.pem, key: leafKey }),
})
const { port } = listener
const serving = (async () => {
  for await (const socket of listener) void socket.close()
})()
const connections = await compare(
  `connect, ${everything.size} roots trusted; the server's part is in it`,
  'connections per second',
  [
    { name: 'node:tls, ca given each time', run: () => rateOfAsync(withCa, 200) },
    { name: 'one context for all', run: () => rateOfAsync(withContext, 200) },
  ],
  9,
)
checkBars(connections, [
  { subject: 'one context for all', against: 'node:tls, ca given each time', atLeast: 2 },
])
await listener.close()
await serving
saveResults()

function lookUp(store: TrustStore, certificate: Certificate): void {
  if (store.findBySubject(certificate.subject).length !== 1) throw new Error('not found')
  if (!store.has(certificate.fingerprint)) throw new Error('not there')
}

function verify({ anchors }: TrustStore): void {
  const verdict = verifyChain({ leaf, roots: anchors, name: { dns: 'localhost' } })
  if (!verdict.ok) throw new Error(`${verdict.code}: ${verdict.message}`)
}

function build(pem: string): void {
  const store = TrustStore.fromPem(pem)
  if (wanted !== undefined) lookUp(store, wanted)
}

function load(): void {
  createSecureContext({ ca: all })
}

function certificatesPerSecond(work: () => void, certificates: number, times: number): number {
  const started = performance.now()
  for (let count = 0; count < times; count++) work()
  return (certificates * times * 1000) / (performance.now() - started)
}

async function withContext(): Promise<void> {
  const socket = await connect({ host: '127.0.0.1', port, context })
  await socket.close()
}

async function withCa(): Promise<void> {
  const socket = nodeConnect({ host: '127.0.0.1', port, ca })
  await once(socket, 'secureConnect')
  socket.end()
  await once(socket.resume(), 'close')
}
