import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { before, describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import {
  type CertificateRequest,
  createRequest,
  parseGeneralName,
  PrivateKey,
} from '@countersign/x509'
import type { Answer, Driver } from './acme-driver.ts'
import { csrOf, prove, registered, requestFor, suiteAcme } from './acme-fixture.ts'
import { SPOILT, spoiltRequest } from './spoilt-request.ts'

scrubProcess()

describe('ACME, signing requests', () => {
  const key = PrivateKey.generateSync('p256')
  const suite = suiteAcme()
  const names = ['csr.a.test', 'more.a.test']
  let driver: Driver
  let order: Answer
  before(async () => {
    driver = await registered(suite.current)
    order = await driver.order(names)
    await prove(suite.current, driver, order)
  })

  const finalize = async (payload: object): Promise<Answer> =>
    driver.post(order.textAt('finalize'), payload)
  const sending = (make: () => CertificateRequest) => async () => finalize(csrOf(make()))
  const named = (...texts: string[]) => sending(() => requestFor(texts))
  const signedBy = (owner: PrivateKey) =>
    sending(() => createRequest({ subjectAltNames: names.map(parseGeneralName), key: owner }))

  const rows: readonly (readonly [string, () => Promise<Answer>, string])[] = [
    ['nothing', async () => finalize({}), 'malformed'],
    ['what is no base64url', async () => finalize({ csr: 'a+b' }), 'malformed'],
    ['PEM', async () => finalize({ csr: requestFor(names).pem }), 'malformed'],
    ['noise', async () => finalize({ csr: 'AAAAAAAA' }), 'badCSR'],
    ['a name less', named('csr.a.test'), 'badCSR'],
    ['a name more', named(...names, 'third.a.test'), 'badCSR'],
    ['another name', named('csr.a.test', 'other.a.test'), 'badCSR'],
    ['a wildcard instead', named('csr.a.test', '*.a.test'), 'badCSR'],
    ['no name', named(), 'badCSR'],
    ['an address more', named(...names, '127.0.0.1'), 'badCSR'],
    ['an e-mail address more', named(...names, 'a@a.test'), 'badCSR'],
    ['a URI more', named(...names, 'spiffe://a.test/x'), 'badCSR'],
    [
      'a common name that was not ordered',
      sending(() => requestFor(names, 'third.a.test')),
      'badCSR',
    ],
    ['a common name that is no host', sending(() => requestFor(names, 'My Server')), 'badCSR'],
    [
      'the key of the account',
      async () => {
        const { privateKey } = driver.key
        const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
        return await signedBy(PrivateKey.parse(pem))()
      },
      'badCSR',
    ],
    [
      'a signature of another key',
      async () => {
        const { der } = requestFor(names)
        const forged = Uint8Array.from(der)
        forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
        return await finalize({ csr: Buffer.from(forged).toString('base64url') })
      },
      'badCSR',
    ],
    [
      'the key of the authority',
      async () => {
        const { authority } = suite.current
        // Only its public half: nobody else can sign with it.
        const signer = key.signer()
        const claimed = { ...signer, publicKey: authority.issuer.publicKey }
        return await sending(() =>
          createRequest({ subjectAltNames: names.map(parseGeneralName), key: claimed }),
        )()
      },
      'badCSR',
    ],
    ...SPOILT.map(
      ([what, part, bytes]) =>
        [
          `${what} in a name`,
          async () => {
            const der = spoiltRequest('axxb.a.test', part, bytes)
            return await finalize({ csr: Buffer.from(der).toString('base64url') })
          },
          'badCSR',
        ] as const,
    ),
    ['CA:TRUE', async () => finalize({ csr: CA_REQUEST }), 'badCSR'],
    [
      'an RSA key of 1024 bits',
      async () => {
        const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
        const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
        return await signedBy(PrivateKey.parse(pem))()
      },
      'badCSR',
    ],
    [
      '10,000 names',
      async () =>
        finalize(csrOf(requestFor(Array.from({ length: 10_000 }, (_, at) => `${at}.a.test`)))),
      'malformed',
    ],
    ['1,500 names', named(...Array.from({ length: 1500 }, (_, at) => `${at}.a.test`)), 'badCSR'],
  ]
  for (const [name, send, problem] of rows) {
    it(`refuses ${name}, and leaves the order as it was`, async () => {
      const answer = await send()
      assert.equal(answer.problem, problem, answer.text)
      const now = await driver.post(order.headers.get('location') ?? '')
      assert.equal(now.at('status'), 'ready')
    })
  }

  it('takes the right one then, in another order and with a common name, and no second', async () => {
    const right = csrOf(requestFor(names.toReversed(), 'more.a.test'))
    const done = await finalize(right)
    assert.equal(done.at('status'), 'valid', done.text)
    assert.equal((await finalize(right)).problem, 'orderNotReady')
  })

  it('does not finalize an order that nobody proved', async () => {
    const pending = await driver.order(['pending.a.test'])
    const answer = await driver.post(
      pending.textAt('finalize'),
      csrOf(requestFor(['pending.a.test'])),
    )
    assert.deepEqual([answer.problem, answer.status], ['orderNotReady', 403])
  })
})

/** Made by: openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj / with basicConstraints=critical,CA:TRUE and the two names. */
const CA_REQUEST = [
  'MIIBAjCBqAIBADAAMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEkc_c2FppJZRJxsLP8txJ-0BEz2OJp97STptljD',
  'nOWg4NruZWnc-2GF1ITgBHkRtXSU1Ml0k1lQhOdDKdd4gJIqBGMEQGCSqGSIb3DQEJDjE3MDUwDwYDVR0TAQH_BAUw',
  'AwEB_zAiBgNVHREEGzAZggpjc3IuYS50ZXN0ggttb3JlLmEudGVzdDAKBggqhkjOPQQDAgNJADBGAiEA-Oyj12T7ha',
  'rWco663H2-Nxl16Eu534CHy5Y49t8mf-oCIQCUb6kqtyo-OPhH6fQ_SClCowbwUSWXBBIWNqsFFAjqFw',
].join('')
