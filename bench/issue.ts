/**
 * Issuing a P-256 certificate in process: ours against raw `crypto.sign` (the limit), pkijs, @peculiar/x509 and Python's cryptography,
 * by CPU time.
 *
 * Usage: node bench/issue.ts [--json FILE]; needs Debian's python3-cryptography, which is left out by name where it is missing. Go, which
 * is no dependency of anything here, is not measured.
 *
 * @module
 */
// What @peculiar/x509 is made with asks for it.
// oxlint-disable-next-line import/no-unassigned-import -- it is there for what it does
import 'reflect-metadata'
import { spawnSync } from 'node:child_process'
import { createPrivateKey, sign } from 'node:crypto'
import {
  buildCertificate,
  Certificate,
  createLinter,
  Name,
  PrivateKey,
  signAgain,
  type SyncSigner,
} from '@countersign/x509'
// Of the repository's own modules: it comes with the sign-in by passkeys.
import * as peculiar from '@peculiar/x509'
import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { checkBars, compare, rateOf, rateOfAsync, saveResults, type Subject } from './harness.ts'

const issuerKey = PrivateKey.generateSync('p256')
const leafKey = PrivateKey.generateSync('p256')
const issuer = Name.from({ organization: 'Bench', commonName: 'Bench Issuer' })
const notBefore = new Date('2026-01-01T00:00:00Z')
const notAfter = new Date('2027-01-01T00:00:00Z')
const signer = issuerKey.signer()
const authorityKeyId = issuerKey.publicKey.keyId()

function issueOurs(by: SyncSigner = signer): Certificate {
  return buildCertificate(
    {
      subject: Name.from({ commonName: 'api.corp.internal' }),
      issuer,
      publicKey: leafKey.publicKey,
      notBefore,
      notAfter,
      subjectAltNames: [{ type: 'dns', value: 'api.corp.internal' }],
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: ['serverAuth'],
      authorityKeyId,
    },
    by,
  )
}

const { publicKey, signatureAlgorithm } = signer
const throwAway = { publicKey, signatureAlgorithm, sign: () => new Uint8Array(64) }
const look = createLinter({ profile: 'server' })

/** As the authority does: a throw-away signature, the linter, and only then the real key. */
function issueLinted(): Certificate {
  const draft = issueOurs(throwAway)
  if (look(draft, publicKey).some(({ severity }) => severity === 'error'))
    throw new Error('refused')
  return signAgain(draft, signer)
}

const rawKey = createPrivateKey(issuerKey.toPem())
const sample = issueOurs()
if (!sample.verifySignature(issuerKey.publicKey)) throw new Error('our certificate does not verify')
const toBeSigned = sample.der.subarray(0, sample.der.length - 72)

const engine = new pkijs.CryptoEngine({ name: 'node', crypto })
pkijs.setEngine('node', engine)
const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
const peerKeys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])

/** The same certificate through pkijs: the same name, extensions and signature. */
async function issueWithPkijs(): Promise<ArrayBuffer> {
  const certificate = new pkijs.Certificate()
  certificate.version = 2
  certificate.serialNumber = new asn1js.Integer({
    valueHex: crypto.getRandomValues(new Uint8Array(16)).buffer,
  })
  for (const [name, value] of [
    [certificate.issuer, 'Bench Issuer'],
    [certificate.subject, 'api.corp.internal'],
  ] as const) {
    name.typesAndValues.push(
      new pkijs.AttributeTypeAndValue({ type: '2.5.4.3', value: new asn1js.Utf8String({ value }) }),
    )
  }
  certificate.notBefore.value = notBefore
  certificate.notAfter.value = notAfter
  const names = new pkijs.GeneralNames({
    names: [new pkijs.GeneralName({ type: 2, value: 'api.corp.internal' })],
  })
  certificate.extensions = [
    extension('2.5.29.17', names.toSchema()),
    extension(
      '2.5.29.15',
      new asn1js.BitString({ valueHex: new Uint8Array([0x80]).buffer, unusedBits: 7 }),
    ),
    extension(
      '2.5.29.37',
      new pkijs.ExtKeyUsage({ keyPurposes: ['1.3.6.1.5.5.7.3.1'] }).toSchema(),
    ),
    extension(
      '2.5.29.35',
      new pkijs.AuthorityKeyIdentifier({
        keyIdentifier: new asn1js.OctetString({ valueHex: new Uint8Array(authorityKeyId).buffer }),
      }).toSchema(),
    ),
  ]
  await certificate.subjectPublicKeyInfo.importKey(peerKeys.publicKey)
  await certificate.sign(peerKeys.privateKey, 'SHA-256')
  return certificate.toSchema(true).toBER(false)
}

function extension(extnID: string, value: asn1js.BaseBlock): pkijs.Extension {
  return new pkijs.Extension({ extnID, critical: false, extnValue: value.toBER(false) })
}

peculiar.cryptoProvider.set(crypto)

/** And through @peculiar/x509. */
async function issueWithPeculiar(): Promise<ArrayBuffer> {
  const certificate = await peculiar.X509CertificateGenerator.create({
    serialNumber: Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('hex'),
    subject: 'CN=api.corp.internal',
    issuer: 'O=Bench, CN=Bench Issuer',
    notBefore,
    notAfter,
    publicKey: peerKeys.publicKey,
    signingKey: peerKeys.privateKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new peculiar.SubjectAlternativeNameExtension([{ type: 'dns', value: 'api.corp.internal' }]),
      new peculiar.KeyUsagesExtension(peculiar.KeyUsageFlags.digitalSignature, true),
      new peculiar.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1']),
      new peculiar.AuthorityKeyIdentifierExtension(Buffer.from(authorityKeyId).toString('hex')),
    ],
  })
  return certificate.rawData
}

Certificate.parse(new Uint8Array(await issueWithPkijs()))
Certificate.parse(new Uint8Array(await issueWithPeculiar()))

const PYTHON = '/usr/bin/python3'
/** Measures itself, in a process of its own, by its own CPU time. */
function rateOfPython(): number {
  const subject = new URL('issue_subject.py', import.meta.url).pathname
  return Number(spawnSync(PYTHON, [subject], { encoding: 'utf8' }).stdout)
}

const subjects: Subject[] = [
  { name: 'crypto.sign alone', run: () => rateOf(() => sign('sha256', toBeSigned, rawKey)) },
  { name: 'countersign', run: () => rateOf(() => issueOurs()) },
  { name: 'countersign, linted before signing', run: () => rateOf(issueLinted) },
  { name: 'pkijs', run: async () => rateOfAsync(issueWithPkijs) },
  { name: '@peculiar/x509', run: async () => rateOfAsync(issueWithPeculiar) },
]
const bars = [
  { subject: 'countersign', against: 'crypto.sign alone', atLeast: 0.45 },
  { subject: 'countersign, linted before signing', against: 'crypto.sign alone', atLeast: 0.45 },
  { subject: 'countersign', against: 'pkijs', atLeast: 10 },
  { subject: 'countersign', against: '@peculiar/x509', atLeast: 30 },
]
if (spawnSync(PYTHON, ['-c', 'import cryptography']).status === 0) {
  subjects.push({ name: 'python cryptography', run: rateOfPython })
  bars.push({ subject: 'countersign', against: 'python cryptography', atLeast: 2 })
} else console.log('python cryptography: left out, there is none here')
console.log('Go: left out, it is not measured here')

checkBars(
  await compare('issue a P-256 certificate, one thread', 'per second of CPU time', subjects),
  bars,
)
saveResults()
