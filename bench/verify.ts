/**
 * Verifying three P-256 certificates: `verifyChain` against its own parses and signature checks, and with 10,000 roots.
 *
 * Usage: node bench/verify.ts [--json FILE]
 *
 * @module
 */
import {
  buildCertificate,
  Certificate,
  type CertificateTemplate,
  Name,
  PrivateKey,
  TrustAnchors,
  verifyChain,
} from '@countersign/x509'
import { checkBars, compare, rateOf, saveResults } from './harness.ts'

const now = Date.now()
const [rootKey, issuerKey, leafKey] = [1, 2, 3].map(() => PrivateKey.generateSync('p256'))
if (rootKey === undefined || issuerKey === undefined || leafKey === undefined) process.exit(1)
const rootName = Name.from({ organization: 'Bench', commonName: 'Bench Root' })
const issuerName = Name.from({ organization: 'Bench', commonName: 'Bench Issuer' })
const validity = { notBefore: new Date(now - 86_400_000), notAfter: new Date(now + 86_400_000) }

const root = authority(rootName)
const { der: issuer } = buildCertificate(
  {
    subject: issuerName,
    issuer: rootName,
    publicKey: issuerKey.publicKey,
    ...validity,
    ca: { pathLength: 0 },
  },
  rootKey.signer(),
)
const { der: leaf } = buildCertificate(
  {
    subject: Name.from({}),
    issuer: issuerName,
    publicKey: leafKey.publicKey,
    ...validity,
    subjectAltNames: [{ type: 'dns', value: 'api.corp.internal' }],
    extendedKeyUsage: ['serverAuth'],
  },
  issuerKey.signer(),
)

function authority(subject: Name): Uint8Array {
  const key = rootKey ?? leafKey
  if (key === undefined) process.exit(1)
  const template: CertificateTemplate = {
    subject,
    issuer: subject,
    publicKey: key.publicKey,
    ...validity,
    ca: {},
  }
  return buildCertificate(template, key.signer()).der
}

function verify(roots: Uint8Array | TrustAnchors): void {
  const name = { dns: 'api.corp.internal' }
  const verdict = verifyChain({ leaf, intermediates: issuer, roots, name })
  if (!verdict.ok) throw new Error(`${verdict.code}: ${verdict.message}`)
}

/** What there is no way around: three certificates are read, two signatures checked. */
function parseAndCheck(): void {
  const [below, middle, top] = [leaf, issuer, root].map((der) => Certificate.parse(der))
  if (below === undefined || middle === undefined || top === undefined) throw new Error('no chain')
  if (!below.verifySignature(middle.publicKey) || !middle.verifySignature(top.publicKey)) {
    throw new Error('a signature does not fit')
  }
}

const others = Array.from({ length: 9999 }, (_, index) =>
  authority(Name.from({ organization: 'Bench', commonName: `Root ${index}` })),
)
const anchors = new TrustAnchors([...others, root])

// Many short turns: a burst of other work on the machine then hits all subjects alike.
const subjects = [
  { name: 'parses and signature checks alone', run: () => rateOf(parseAndCheck, 20) },
  { name: 'verifyChain', run: () => rateOf(() => verify(root), 20) },
  { name: 'verifyChain, 10,000 roots', run: () => rateOf(() => verify(anchors), 20) },
]
const comparison = await compare(
  'verify three P-256 certificates, one thread',
  'per second',
  subjects,
  101,
)
checkBars(comparison, [
  // At most 1.3 times the time.
  { subject: 'verifyChain', against: 'parses and signature checks alone', atLeast: 0.77 },
  { subject: 'verifyChain, 10,000 roots', against: 'verifyChain', atLeast: 0.9 },
])
saveResults()
