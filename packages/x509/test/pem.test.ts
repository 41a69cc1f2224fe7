import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { encodePem, parsePem, X509Error } from '../src/index.ts'

const der = Uint8Array.from({ length: 100 }, (_, index) => index)
const pem = encodePem('CERTIFICATE', der)

describe('parsePem', () => {
  it('reads what encodePem writes', () => {
    const label = fc.constantFrom('CERTIFICATE', 'EC PRIVATE KEY', 'X509 CRL')
    fc.assert(
      fc.property(label, fc.uint8Array({ minLength: 1, maxLength: 300 }), (name, bytes) => {
        const [block, ...more] = parsePem(encodePem(name, bytes), 'test')
        assert.equal(more.length, 0)
        assert.equal(block?.label, name)
        assert.deepEqual(Buffer.from(block.der), Buffer.from(bytes))
      }),
    )
  })

  it('writes lines of 64 characters with line feeds', () => {
    const lines = pem.split('\n')
    assert.equal(lines[0], '-----BEGIN CERTIFICATE-----')
    assert.deepEqual(
      lines.slice(1, 4).map((line) => line.length),
      [64, 64, 8],
    )
    assert.deepEqual(lines.slice(4), ['-----END CERTIFICATE-----', ''])
  })

  it('is lax on white space, line endings, text around blocks and a byte order mark', () => {
    const body = Buffer.from(der).toString('base64')
    const forms = [
      pem.replaceAll('\n', '\r\n'),
      pem.replaceAll('\n', '\r'),
      `\uFEFF${pem}`,
      pem.trimEnd(),
      `Subject: CN=x\nIssuer: -----BEGIN of it\n\n${pem}\nsome more text`,
      pem.replaceAll(/^/gm, '    '),
      `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----`,
      `-----BEGIN CERTIFICATE----- \n ${body.replaceAll(/(.{5})/g, '$1 \t\n')}-----END CERTIFICATE-----`,
    ]
    for (const form of forms) {
      const [block] = parsePem(form, 'test')
      assert.deepEqual(Buffer.from(block?.der ?? []), Buffer.from(der))
    }
  })

  it('keeps the order of blocks', () => {
    const text = `${encodePem('PRIVATE KEY', der)}noise\n${pem}${encodePem('X509 CRL', der)}`
    assert.deepEqual(
      parsePem(text, 'test').map(({ label }) => label),
      ['PRIVATE KEY', 'CERTIFICATE', 'X509 CRL'],
    )
  })

  const empty: [string, string, RegExp][] = [
    ['an empty text', '', /^f\.pem is empty$/],
    ['white space', ' \r\n\t', /^f\.pem is empty$/],
    ['other text', 'hello', /^f\.pem holds no PEM block$/],
    ['a block inside a line', `x ${pem.split('\n')[0]} y`, /no PEM block/],
  ]
  for (const [label, text, message] of empty) {
    it(`refuses ${label}`, () => {
      assert.throws(() => parsePem(text, 'f.pem'), { code: 'pem-empty', source: 'f.pem', message })
    })
  }

  const malformed: [string, string, RegExp][] = [
    ['a block without an end', pem.slice(0, 100), /no END line/],
    ['a block that another interrupts', pem.replace(/-----END[^]*/, pem), /no END line/],
    ['another label at the end', pem.replace('END CERTIFICATE', 'END KEY'), /another END line/],
    ['a label in lower case', pem.replaceAll('CERTIFICATE', 'certificate'), /proper label/],
    ['no label', pem.replaceAll('CERTIFICATE', ''), /proper label/],
    ['an empty body', b64(''), /is empty/],
    ['characters outside base64', b64('AAAA!AAA'), /not base64/],
    ['base64url', b64('AA-_'), /not base64/],
    ['a missing character', b64('AAA'), /not base64/],
    ['padding inside', b64('AA==AAAA'), /not base64/],
    ['too much padding', b64('A==='), /not base64/],
    ['bits behind the padding', b64('AB=='), /not base64/],
    ['bits behind the single padding', b64('AAB='), /not base64/],
    ['the old encryption headers', b64('Proc-Type: 4,ENCRYPTED\n\nAAAA'), /header lines/],
  ]
  for (const [label, text, message] of malformed) {
    it(`refuses ${label}`, () => {
      assert.throws(() => parsePem(text, 'f.pem'), {
        code: 'pem-malformed',
        source: 'f.pem',
        message,
      })
    })
  }

  it('refuses a text beyond its limit', () => {
    assert.throws(() => parsePem(' '.repeat(128 * 1024 * 1024 + 1), 'f.pem'), {
      code: 'pem-too-large',
    })
  })

  it('reads many megabytes of BEGIN lines in one pass', () => {
    assert.throws(() => parsePem('x -----BEGIN A-----'.repeat(400_000), 'f.pem'), {
      code: 'pem-empty',
    })
  })

  it('answers X509Error and nothing else for any text', () => {
    const part = fc.constantFrom(
      '-----BEGIN A-----',
      '-----END A-----',
      '\n',
      'AAAA',
      '=',
      ':',
      'x',
      '-----',
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        try {
          parsePem(parts.join(''), 'test')
        } catch (error) {
          assert.ok(error instanceof X509Error, String(error))
        }
      }),
      { numRuns: 2000 },
    )
  })
})

function b64(body: string): string {
  return `-----BEGIN A-----\n${body}\n-----END A-----\n`
}

describe('parsePem, of files put together', () => {
  it('refuses a block that begins on the line where another ends, instead of losing it', () => {
    for (const gap of ['', ' ', '\t']) {
      assert.throws(() => parsePem(`${pem.trimEnd()}${gap}${pem}`, 'bundle.pem'), {
        code: 'pem-malformed',
        message: 'bundle.pem: a BEGIN line stands on the line of the END before it',
      })
    }
    assert.equal(parsePem(`${pem.trimEnd()}\r${pem}`, 'bundle.pem').length, 2)
  })
})
