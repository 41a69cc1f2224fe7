/**
 * The least that a sign endpoint on Node can be, in a process of its own: `node bench/sign-endpoint-subject.ts normal|full FOLDER`. A
 * token is looked up, a signing request read and its signature checked, a certificate signed, and both written in one transaction. Who
 * may have which name is not asked.
 *
 * @module
 */
import { hash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { buildCertificate, CertificateRequest, Name, PrivateKey } from '@countersign/x509'
import { makeIdentity } from './identity.ts'
import { portOf } from './servers.ts'

const [, , synchronous = 'full', folder = '.'] = process.argv
const { ca, cert, key } = makeIdentity()
const issuerKey = PrivateKey.generateSync('p256')
const signer = issuerKey.signer()
const issuer = Name.from({ commonName: 'Bench Issuer' })
const authorityKeyId = issuerKey.publicKey.keyId()
const token = randomBytes(32).toString('base64url')
const database = new DatabaseSync(path.join(folder, 'ledger.db'))
database.exec(`pragma journal_mode = wal; pragma synchronous = ${synchronous};
  create table token (hash text primary key, used integer not null) strict, without rowid;
  create table certificate (serial text primary key, names text not null, der blob not null, not_after integer not null) strict, without rowid`)
database
  .prepare('insert into token (hash, used) values (?, 0)')
  .run(hash('sha256', token, 'base64url'))
const use = database.prepare('update token set used = used + 1 where hash = ? returning used')
const store = database.prepare('insert into certificate values (?, ?, ?, ?)')

const server = createServer({ cert, key }, (request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const bearer = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
    const body = issue(bearer, Buffer.concat(chunks))
    response.writeHead(body === undefined ? 403 : 201, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body ?? ''),
    })
    response.end(body)
  })
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
writeFileSync(path.join(folder, 'root.pem'), ca)
process.stdout.write(`https://localhost:${portOf(server)} ${token}\n`)

function issue(bearer: string, pem: Buffer): string | undefined {
  const csr = CertificateRequest.parse(pem)
  if (!csr.verify()) return undefined
  const certificate = buildCertificate(
    {
      subject: Name.from({}),
      issuer,
      publicKey: csr.publicKey,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 86_400_000),
      subjectAltNames: csr.subjectAltNames,
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: ['serverAuth'],
      authorityKeyId,
    },
    signer,
  )
  const { serialNumber: serial, der, notAfter, dnsNames } = certificate
  database.exec('begin immediate')
  if (use.get(hash('sha256', bearer, 'base64url')) === undefined) {
    database.exec('rollback')
    return undefined
  }
  store.run(serial, dnsNames.join('\n'), der, notAfter.getTime())
  database.exec('commit')
  return JSON.stringify({ certificate: certificate.pem, serial })
}
