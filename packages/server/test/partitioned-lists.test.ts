/** Lists that are about a part of an issuer's certificates: each says where it is found, and certificates name that. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { type ReloadOutcome, serve, type ServeOptions, type Server } from '@countersign/server'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import {
  buildCertificate,
  buildCrl,
  type Certificate,
  type CertificateRevocationList,
  Name,
  PrivateKey,
} from '@countersign/x509'
import { ask } from './support.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const lists = new Map<string, CertificateRevocationList>()
const publisher = createServer((request, response) => {
  response.end(lists.get(request.url ?? '')?.der)
})
let host = ''

before(async () => {
  publisher.listen(0, '127.0.0.1')
  await once(publisher, 'listening')
  const address = publisher.address()
  assert.ok(address !== null && typeof address === 'object')
  host = `127.0.0.1:${address.port}`
})
after(() => publisher.close())

interface Client {
  readonly certificate: Certificate
  readonly chainPem: string
  readonly keyPem: string
}

function client(name: string, part: string): Client {
  const key = PrivateKey.generateSync('p256')
  const certificate = buildCertificate(
    {
      subject: Name.from({ commonName: name }),
      issuer: authority.issuer.subject,
      publicKey: key.publicKey,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 3_600_000),
      keyUsage: ['digitalSignature'],
      subjectAltNames: [{ type: 'uri', value: `spiffe://testing.internal/${name}` }],
      extendedKeyUsage: ['clientAuth'],
      authorityKeyId: authority.issuerKey.publicKey.keyId(),
      crlDistributionPoints: [`http://${host}${part}`],
    },
    authority.issuerKey.signer(),
  )
  return { certificate, chainPem: certificate.pem + authority.issuerPem, keyPem: key.toPem() }
}

function publish(part: string, number: bigint, ...revoked: readonly Client[]): void {
  const thisUpdate = new Date(Date.now() - 60_000)
  const list = buildCrl(
    {
      issuer: authority.issuer,
      crlNumber: number,
      thisUpdate,
      nextUpdate: new Date(Date.now() + 3_600_000),
      issuingDistributionPoint: `http://${host}${part}`,
      revoked: revoked.map(({ certificate }) => ({
        serialNumber: certificate.serialNumber,
        date: thisUpdate,
      })),
    },
    authority.issuerKey.signer(),
  )
  lists.set(part, list)
}

async function start(options: ServeOptions): Promise<Server> {
  return await serve(
    (_request, { peer }) => new Response(peer.certificate?.subject.get('commonName') ?? 'nobody'),
    {
      cert: identity.chainPem,
      key: identity.keyPem,
      ca: authority.rootPem,
      verifyUser: true,
      revocation: { depth: 'leaf' },
      ...options,
    },
  )
}

async function answerFor(server: Server, { chainPem, keyPem }: Client): Promise<string> {
  const tls = { ca: authority.rootPem, cert: chainPem, key: keyPem }
  const { status, body } = await ask(server.url, { tls })
  return status === 200 ? body : String(JSON.parse(body).code)
}

describe('lists about a part of the certificates', () => {
  it('are fetched where certificates say, and each judges its own alone', async () => {
    const [alice, bob] = [client('alice', '/1.crl'), client('bob', '/1.crl')]
    const [carol, dave] = [client('carol', '/2.crl'), client('dave', '/2.crl')]
    publish('/1.crl', 7n, bob)
    publish('/2.crl', 3n, dave)
    let heard = Promise.withResolvers<ReloadOutcome>()
    await using server = await start({
      ca: authority.rootPem + authority.issuerPem,
      crlFetch: { fromCertificates: [host] },
      onReload: (outcome) => heard.resolve(outcome),
    })
    assert.equal(await answerFor(server, alice), 'crl-missing')
    assert.equal((await heard.promise).ok, true)
    assert.equal(await answerFor(server, alice), 'alice')
    assert.equal(await answerFor(server, bob), 'revoked')
    // The list that is there says nothing about the other part.
    heard = Promise.withResolvers<ReloadOutcome>()
    assert.equal(await answerFor(server, carol), 'crl-missing')
    assert.equal((await heard.promise).ok, true)
    assert.equal(await answerFor(server, carol), 'carol')
    assert.equal(await answerFor(server, dave), 'revoked')
    assert.equal(await answerFor(server, alice), 'alice')
  })

  it('are taken as an option, beside one another', async () => {
    const [alice, dave] = [client('alice', '/1.crl'), client('dave', '/2.crl')]
    publish('/1.crl', 9n)
    publish('/2.crl', 2n, dave)
    const crl = [...lists.values()].map(({ pem }) => pem)
    await using server = await start({ crl })
    assert.equal(await answerFor(server, alice), 'alice')
    assert.equal(await answerFor(server, dave), 'revoked')
    assert.equal(await answerFor(server, client('eve', '/3.crl')), 'crl-missing')
  })
})
