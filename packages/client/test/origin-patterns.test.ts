import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { OptionError, Session, type OriginProfile } from '@countersign/client'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { asGiven } from './failures.ts'

scrubProcess()
const ours = testAuthority()

/** The pattern whose profile a session would use for a URL. */
function chosen(url: string, ...patterns: string[]): string | undefined {
  const profile: OriginProfile = { ca: ours.rootPem }
  const session = new Session({
    origins: Object.fromEntries(patterns.map((pattern) => [pattern, profile])),
  })
  const line = session.describeTrust(url).trace.find((one) => one.startsWith('only these'))
  return line?.replace('only these authorities: the profile ', '')
}

const matching: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  [
    'https://api.corp.internal',
    ['https://api.corp.internal/x', 'https://API.corp.internal:443/'],
    ['https://api.corp.internal:8443', 'https://x.api.corp.internal', 'https://corp.internal'],
  ],
  ['https://API.Corp.internal/', ['https://api.corp.internal'], ['https://api.corp.internals']],
  [
    'https://api.corp.internal:8443',
    ['https://api.corp.internal:8443'],
    ['https://api.corp.internal', 'https://api.corp.internal:84'],
  ],
  [
    'https://api.corp.internal:*',
    ['https://api.corp.internal', 'https://api.corp.internal:8443'],
    ['https://other.corp.internal'],
  ],
  [
    'https://*.corp.internal',
    ['https://api.corp.internal', 'https://b.corp.internal/path'],
    [
      'https://corp.internal',
      'https://a.b.corp.internal',
      'https://evilcorp.internal',
      'https://api.corp.internal.evil.example',
      'https://api.corp.internal:8443',
    ],
  ],
  [
    'https://**.corp.internal:*',
    ['https://api.corp.internal', 'https://a.b.corp.internal:1'],
    ['https://corp.internal', 'https://xcorp.internal'],
  ],
  [
    'https://node-*.corp.internal',
    ['https://node-1.corp.internal', 'https://node-.corp.internal'],
    ['https://node.corp.internal', 'https://node-1.x.corp.internal'],
  ],
  ['https://*', ['https://api', 'https://localhost'], ['https://api.corp', 'https://127.0.0.1']],
  [
    'https://**',
    ['https://api', 'https://a.b.c', 'https://10.0.0.1', 'https://[::1]'],
    ['https://a.b.c:8443'],
  ],
  ['https://10.0.0.1', ['https://10.0.0.1', 'https://10.0.1'], ['https://10.0.0.2']],
  ['https://[::1]:8443', ['https://[0:0::1]:8443'], ['https://[::2]:8443', 'https://[::1]']],
  ['https://10.0.0.*', [], ['https://10.0.0.1']],
  ['https://münchen.corp', ['https://xn--mnchen-3ya.corp'], ['https://munchen.corp']],
]

describe('an origin pattern', () => {
  for (const [pattern, yes, no] of matching) {
    it(`${pattern} matches ${yes.join(' and ') || 'no address'}, not ${no.join(' or ')}`, () => {
      for (const url of yes) assert.equal(chosen(url, pattern), pattern, url)
      for (const url of no) assert.equal(chosen(url, pattern), undefined, url)
    })
  }

  it('gives way to a more specific one, in whatever order they stand', () => {
    const patterns = [
      'https://**',
      'https://**.corp.internal',
      'https://*.corp.internal:*',
      'https://*.corp.internal',
      'https://api*.corp.internal',
      'https://api.corp.internal:*',
      'https://api.corp.internal',
    ]
    for (let count = patterns.length; count > 0; count--) {
      const some = patterns.slice(0, count)
      assert.equal(chosen('https://api.corp.internal', ...some), some.at(-1))
      assert.equal(chosen('https://api.corp.internal', ...some.toReversed()), some.at(-1))
    }
  })

  const wrong = [
    'api.corp.internal',
    'http://api.corp.internal',
    'https://api.corp.internal/path',
    'https://user@api.corp.internal',
    'https://user:secret@api.corp.internal',
    'https://api.corp.internal?x',
    'https://api.corp.internal:99999',
    'https://api.corp.internal:84*',
    'https://a.**.corp.internal',
    'https://a**.corp.internal',
    'https://*.corp..internal',
    'https://*.corp internal',
    'https://[::1',
    'https://',
    'https://*/',
    '',
    '*',
    `https://${'a'.repeat(400)}.corp`,
  ]
  for (const pattern of wrong.filter((one) => one !== 'https://*/')) {
    it(`${JSON.stringify(pattern.slice(0, 60))} is refused`, () => {
      assert.throws(
        () => new Session({ origins: { [pattern]: { ca: ours.rootPem } } }),
        (error) =>
          error instanceof OptionError &&
          error.code === 'option-invalid' &&
          /is no pattern/.test(error.message) &&
          !error.message.includes('secret'),
      )
    })
  }
})

describe('a profile', () => {
  const refused: readonly (readonly [string, object, string])[] = [
    ['no object', asGiven({ 'https://a': 1 }), 'option-invalid'],
    ['a misspelt option', asGiven({ 'https://a': { cas: ours.rootPem } }), 'option-unknown'],
    [
      'a time-out, which is none of its business',
      { 'https://a': { timeoutMs: 1 } },
      'option-unknown',
    ],
    ['a missing file', { 'https://a': { ca: '/nowhere.pem' } }, 'ca-missing'],
    ['a certificate without a key', { 'https://a': { cert: ours.rootPem } }, 'cert-without-key'],
    ['verify: false for several origins', { 'https://*.a': { verify: false } }, 'option-conflict'],
    ['verify: false for every port', { 'https://a:*': { verify: false } }, 'option-conflict'],
    [
      'verify: false with a pin',
      { 'https://a': { verify: false, pin: `sha256:${'0'.repeat(64)}` } },
      'option-conflict',
    ],
  ]
  for (const [name, origins, code] of refused) {
    it(`with ${name} is refused at construction`, () => {
      assert.throws(
        () => new Session(asGiven({ origins })),
        (error) => error instanceof OptionError && error.code === code,
      )
    })
  }

  it('holds verify: false for one origin', () => {
    const session = new Session({ origins: { 'https://a:8443': { verify: false } } })
    const [first] = session.describeTrust('https://a:8443').trace
    assert.equal(first, 'verify: false: the profile https://a:8443')
    assert.notEqual(session.describeTrust('https://a').trace[0], first)
  })
})
