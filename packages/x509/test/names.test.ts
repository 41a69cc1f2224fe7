import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { encodeDer } from '../src/der-writer.ts'
import { bytesToIpRange, ipRangeToBytes } from '../src/ip-address.ts'
import {
  bytesToIp,
  ipToBytes,
  Name,
  normaliseHostName,
  parseGeneralName,
  X509Error,
} from '../src/index.ts'
import { attribute, name, text } from './hand-made.ts'

describe('parseGeneralName', () => {
  const accepted: [string, string, string][] = [
    ['API.Corp.Internal', 'dns', 'api.corp.internal'],
    ['localhost', 'dns', 'localhost'],
    ['*.corp.internal', 'dns', '*.corp.internal'],
    ['büro.example', 'dns', 'xn--bro-hoa.example'],
    ['*.BÜRO.example', 'dns', '*.xn--bro-hoa.example'],
    ['xn--bro-hoa.example', 'dns', 'xn--bro-hoa.example'],
    ['a-b.c1', 'dns', 'a-b.c1'],
    [' padded.example ', 'dns', 'padded.example'],
    ['10.0.0.1', 'ip', '10.0.0.1'],
    ['::1', 'ip', '::1'],
    ['[::1]', 'ip', '::1'],
    ['2001:DB8:0:0:0:0:0:1', 'ip', '2001:db8::1'],
    ['::ffff:10.0.0.1', 'ip', '::ffff:a00:1'],
    ['Ann.Lee@Example.ORG', 'email', 'Ann.Lee@example.org'],
    ['spiffe://corp/api', 'uri', 'spiffe://corp/api'],
    ['SPIFFE://Corp/API', 'uri', 'spiffe://corp/API'],
    ['HTTPS://API.example/Path?Q=1', 'uri', 'https://api.example/Path?Q=1'],
    [
      'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
      'uri',
      'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
    ],
  ]
  for (const [input, type, value] of accepted) {
    it(`reads ${JSON.stringify(input)} as ${type} ${value}`, () => {
      assert.deepEqual(parseGeneralName(input), { type, value })
    })
  }

  const refused: [string, RegExp][] = [
    ['', /empty/],
    ['.', /dot/],
    ['a..b', /empty label/],
    ['host.', /ends in a dot/],
    ['my_host.example', /underscore/],
    ['-a.example', /letters, digits and inner hyphens/],
    ['a-.example', /inner hyphens/],
    [`${'a'.repeat(64)}.example`, /63 characters/],
    [`${'a.'.repeat(127)}example`, /characters/],
    ['*', /wildcard/],
    ['a*.example', /wildcard/],
    ['*.*.example', /wildcard/],
    ['a.*.example', /wildcard/],
    ['host:8443', /port/],
    ['host/path', /slash/],
    ['10.0.0', /last label is a number/],
    ['10.0.0.256', /last label is a number/],
    ['0x7f.0x1', /last label is a number/],
    ['two words', /host name/],
    ['a\u0000b', /host name/],
    ['xn--ü.example', /characters/],
    ['fe80::1%eth0', /host name/],
    ['10.0.0.0/8', /slash/],
    ['@example.org', /no e-mail/],
    ['a@', /host name/],
    ['a b@example.org', /no e-mail/],
    ['a@b@c', /no e-mail/],
    ['a@*.example.org', /no e-mail/],
    [`${'a'.repeat(65)}@example.org`, /no e-mail/],
    ['jörg@example.org', /no e-mail/],
    ['https://user:secret@host/', /no URI/],
    ['http://ü.example/', /no URI/],
    ['http://a b/', /no URI/],
    ['http://[::1/', /no URI/],
    ['spiffe://corp/', /SPIFFE/],
    ['spiffe://corp/a//b', /SPIFFE/],
    ['spiffe://corp/../x', /SPIFFE/],
    ['spiffe://corp:8443/x', /SPIFFE/],
    ['spiffe://corp/x?y', /SPIFFE/],
    ['spiffe:///x', /SPIFFE|URI/],
    [`https://host/${'a'.repeat(3000)}`, /too long/],
  ]
  for (const [input, message] of refused) {
    it(`refuses ${JSON.stringify(input.slice(0, 40))} with a hint`, () => {
      assert.throws(
        () => parseGeneralName(input),
        (error: unknown) =>
          error instanceof X509Error &&
          error.code === 'name-invalid' &&
          message.test(error.message) &&
          error.hint !== undefined,
      )
    })
  }

  it('normalises to a form that stays as it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6(), fc.string()), (input) => {
        try {
          const once = parseGeneralName(input)
          assert.ok('value' in once && typeof once.value === 'string')
          assert.deepEqual(parseGeneralName(once.value), once)
        } catch (error) {
          assert.ok(error instanceof X509Error, String(error))
        }
      }),
      { numRuns: 500 },
    )
  })

  it('never turns a host name into an address, as domainToASCII does', () => {
    assert.throws(() => normaliseHostName('0x7f.1'), { code: 'name-invalid' })
    assert.equal(normaliseHostName('1.2.3.example'), '1.2.3.example')
  })
})

describe('IP addresses', () => {
  it('are the same after bytes and text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const printed = bytesToIp(bytes) ?? ''
        assert.deepEqual(ipToBytes(printed), Uint8Array.from(bytes))
        assert.equal(new URL(`http://[${printed}]/`).hostname, `[${printed}]`)
      }),
    )
  })

  it('are canonical whatever zeros they have', () => {
    const known: [string, string][] = [
      ['0:0:0:0:0:0:0:0', '::'],
      ['1:0:0:0:0:0:0:0', '1::'],
      ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
      ['1:0:2:0:3:0:4:0', '1:0:2:0:3:0:4:0'],
      ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['::1.2.3.4', '::102:304'],
    ]
    for (const [input, expected] of known) {
      assert.equal(bytesToIp(ipToBytes(input) ?? new Uint8Array()), expected)
    }
  })

  it('make ranges that say what they cover', () => {
    for (const range of [
      '10.0.0.0/8',
      '0.0.0.0/0',
      '10.1.2.3/32',
      '::/0',
      'fd00::/8',
      '2001:db8::/127',
    ]) {
      assert.equal(bytesToIpRange(ipRangeToBytes(range) ?? new Uint8Array()), range)
    }
    assert.equal(bytesToIpRange(ipRangeToBytes('10.1.2.3') ?? new Uint8Array()), '10.1.2.3/32')
    assert.equal(bytesToIpRange(Uint8Array.of(10, 0, 0, 1, 255, 0, 0, 255)), '10.0.0.1/255.0.0.255')
    for (const range of [
      '10.0.0.1/8',
      '10.0.0.0/33',
      '10.0.0.0/08',
      '10.0.0.0/',
      '10.0.0.0/8/9',
      'x/8',
      '::/129',
    ]) {
      assert.equal(ipRangeToBytes(range), undefined, range)
    }
  })
})

describe('Name', () => {
  it('is written in the usual order and printed the other way round', () => {
    const made = Name.from({ commonName: 'api', organization: 'Example', country: 'DE' })
    assert.equal(made.toString(), 'CN=api,O=Example,C=DE')
    assert.equal(made.get('commonName'), 'api')
    assert.equal(made.get('2.5.4.10'), 'Example')
    assert.equal(made.get('locality'), undefined)
    assert.deepEqual(
      made.rdns.map((rdn) => rdn.map(({ tag }) => tag)),
      [[0x13], [0x0c], [0x0c]],
    )
  })

  it('takes several values of one attribute and several attributes in one relative name', () => {
    assert.equal(Name.from({ domainComponent: ['org', 'example'] }).toString(), 'DC=example,DC=org')
    const multi = Name.fromAttributes([
      [
        { type: 'commonName', value: 'a' },
        { type: '1.2.3', value: 'b' },
      ],
    ])
    assert.equal(multi.rdns.length, 1)
    assert.match(multi.toString(), /^(CN=a\+1\.2\.3=b|1\.2\.3=b\+CN=a)$/)
  })

  it('escapes what RFC 4514 wants escaped', () => {
    const made = Name.from({ commonName: '#a, "b" + <c>; \\ d ', organization: ' x' })
    assert.equal(made.toString(), String.raw`CN=\#a\, \"b\" \+ \<c\>\; \\ d\ ,O=\ x`)
    const odd = Name.fromDer(encodeDer(name([attribute('2.5.4.3', text(0x0c, 'a\u0000\nb'))])))
    assert.equal(odd.toString(), String.raw`CN=a\00\0ab`)
    const binary = Name.fromDer(encodeDer(name([attribute('2.5.4.45', text(0x03, '\u0000a'))])))
    assert.equal(binary.toString(), '2.5.4.45=#03020061')
  })

  it('equals another with other case, spaces or kind of string', () => {
    const forms = [
      text(0x0c, 'Example  Root'),
      text(0x13, ' example root '),
      text(0x1e, Buffer.from('EXAMPLE ROOT', 'utf16le').swap16()),
    ]
    const names = forms.map((form) => Name.fromDer(encodeDer(name([attribute('2.5.4.3', form)]))))
    for (const one of names) for (const other of names) assert.ok(one.equals(other))
    const different = [
      name([attribute('2.5.4.3', text(0x0c, 'ExampleRoot'))]),
      name([attribute('2.5.4.10', text(0x0c, 'Example Root'))]),
      name(
        [attribute('2.5.4.3', text(0x0c, 'Example Root'))],
        [attribute('2.5.4.3', text(0x0c, 'x'))],
      ),
      name(),
    ]
    for (const other of different) {
      assert.ok(!names[0]?.equals(Name.fromDer(encodeDer(other))))
    }
  })

  it('is empty without attributes', () => {
    assert.ok(Name.from({}).isEmpty)
    assert.equal(Name.from({}).toString(), '')
    assert.ok(!Name.from({ commonName: 'a' }).isEmpty)
  })

  it('refuses what cannot be in it', () => {
    assert.throws(() => Name.from({ commonName: '' }), { code: 'name-invalid' })
    assert.throws(() => Name.from({ commonName: 'a'.repeat(65) }), /at most 64/)
    assert.throws(() => Name.from({ commonName: 'a\nb' }), /control/)
    assert.throws(() => Name.from({ commonName: '\ud800' }), { code: 'name-invalid' })
    assert.throws(() => Name.from({ country: 'Germany' }), { code: 'name-invalid' })
    assert.throws(() => Name.from({ country: 'de' }), /two capital letters/)
    assert.throws(() => Name.from({ emailAddress: 'ü@example.org' }), /cannot be written as ia5/)
    assert.throws(
      () => Name.fromAttributes([[{ type: 'nonsense', value: 'a' }]]),
      /unknown name attribute/,
    )
    const misspelt = { commonName: 'a', comonName: 'a' }
    assert.throws(() => Name.from({ ...misspelt }), {
      code: 'option-unknown',
      hint: 'did you mean "commonName"?',
    })
  })

  it('refuses malformed DER when it is read', () => {
    const bad = Name.fromDer(Uint8Array.of(0x30, 0x02, 0x31, 0x00))
    assert.throws(() => bad.rdns, { code: 'name-invalid' })
  })
})

describe('Name.comparable', () => {
  it('keeps apart a name of two attributes and one whose value spells the other out', () => {
    const two = Name.from({ organization: 'b', commonName: 'a' })
    const endings = ['\u0001', '\u0002', '"\u0001', '"\u0002', '","', '"],["', '\\",\\"']
    for (const ending of endings) {
      const value = text(0x0c, `b${ending}2.5.4.3="a`)
      const one = Name.fromDer(encodeDer(name([attribute('2.5.4.10', value)])))
      assert.equal(two.equals(one), false)
    }
  })
})
