import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import * as fc from 'fast-check'
import { DerReader } from '../src/der-reader.ts'
import {
  asciiString,
  context,
  contextPrimitive,
  type DerElement,
  type DerNode,
  element,
  encodeDer,
  octetString,
  oid,
  sequence,
} from '../src/der-writer.ts'
import {
  Certificate,
  CertificateRevocationList,
  encodePem,
  lint,
  OcspResponse,
  parsePem,
  verifyChain,
  X509Error,
} from '../src/index.ts'
import { OID } from '../src/oid.ts'
import { extension, handMade } from './hand-made.ts'
import { changeDer, derChange } from './mutate-der.ts'
import { chain, leaf } from './ocsp-world.ts'
import { onlyX509Error, PARSERS, readEachPart } from './parsers.ts'
import { NOW } from './verify-world.ts'

const isDer = ([, real]: (typeof PARSERS)[number]): boolean => real[0] === 0x30
const MEBIBYTE = 1024 * 1024

describe('parsers answer X509Error and nothing else, in work that is bounded', () => {
  for (const [label, real, parse] of PARSERS.filter(isDer)) {
    it(`for ${label} of changed elements`, (t) => {
      const steps = countSteps(t)
      fc.assert(
        fc.property(fc.array(derChange, { minLength: 1, maxLength: 5 }), (changes) => {
          const bytes = changeDer(real, changes)
          steps.reset()
          onlyX509Error(() => parse(bytes))
          // An element has two bytes or more, and nothing is read more often than a few times.
          assert.ok(
            steps.count() <= 10 * bytes.length + 100,
            `${steps.count()} for ${bytes.length}`,
          )
        }),
        { numRuns: 400 },
      )
    })
  }

  it('when a whole chain is verified, its list and its answer among it', () => {
    const [issuing, root] = chain.map(({ certificate }) => certificate)
    assert.ok(issuing !== undefined && root !== undefined)
    const list = PARSERS.find(([label]) => label === 'a revocation list')?.[1] ?? new Uint8Array()
    const answer = PARSERS.find(([label]) => label === 'an OCSP response')?.[1] ?? new Uint8Array()
    const changes = fc.array(derChange, { maxLength: 3 })
    fc.assert(
      fc.property(changes, changes, changes, changes, (ofLeaf, ofIssuer, ofList, ofAnswer) => {
        onlyX509Error(() =>
          verifyChain({
            leaf: changeDer(leaf.der, ofLeaf),
            intermediates: changeDer(issuing.der, ofIssuer),
            roots: root,
            crls: changeDer(list, ofList),
            ocsp: changeDer(answer, ofAnswer),
            revocation: 'leaf',
            time: NOW,
          }),
        )
      }),
      { numRuns: 400 },
    )
  })

  it('changes elements so that many are still read', () => {
    let read = 0
    fc.assert(
      fc.property(fc.array(derChange, { minLength: 1, maxLength: 1 }), (changes) => {
        for (const [, real, parse] of PARSERS.filter(isDer)) {
          try {
            parse(changeDer(real, changes))
            read++
          } catch (error) {
            assert.ok(error instanceof X509Error)
          }
        }
      }),
      { numRuns: 30 },
    )
    assert.ok(read > 30, `${read}`)
  })
})

describe('hostile sizes', () => {
  const huge = nested(10 * MEBIBYTE)
  const large = nested(MEBIBYTE - 8)

  it('are made as they are meant', () => {
    assert.ok(huge.length > 10 * MEBIBYTE - 16 && large.length > MEBIBYTE - 32)
    let reader = DerReader.open(large, 'nested')
    assert.throws(
      () => {
        for (;;) reader = reader.sequence('nested')
      },
      { code: 'der-too-deep' },
    )
  })

  for (const [label, , parse] of PARSERS) {
    it(`of nesting are refused after a few steps: ${label}`, (t) => {
      const steps = countSteps(t)
      for (const bytes of [huge, large]) {
        assert.throws(() => parse(bytes), X509Error)
        assert.ok(steps.count() <= 100, `${steps.count()}`)
      }
    })
  }

  it('of nesting are passed over where anything may stand', (t) => {
    const steps = countSteps(t)
    const deep = nested(200_000)
    const anywhere: DerNode[][] = [
      [extension('1.2.3', deep)],
      [extension(OID.subjectAltName, sequence(context(0, oid('1.2.3'), context(0, deep))))],
      [
        extension(
          OID.certificatePolicies,
          sequence(sequence(oid('1.2.3'), sequence(sequence(oid('1.2.4'), deep)))),
        ),
      ],
      [extension(OID.basicConstraints, deep)],
      [extension(OID.nameConstraints, sequence(context(0, sequence(context(4, deep)))))],
    ]
    for (const extensions of anywhere) {
      const der = handMade({ extensions })
      steps.reset()
      onlyX509Error(() => readEachPart(der))
      onlyX509Error(() => Certificate.parse(der).toPythonDict())
      lint(der)
      assert.ok(steps.count() <= 2000, `${steps.count()}`)
    }
  })

  it('of many elements cost a few steps for each', (t) => {
    const steps = countSteps(t)
    const names = Array.from({ length: 100_000 }, () => asciiString('a.b', 0x82))
    const many = handMade({ extensions: [extension(OID.subjectAltName, manyOf(names))] })
    const certificate = Certificate.parse(many)
    assert.equal(certificate.dnsNames.length, 100_000)
    assert.equal(certificate.matchesName({ dns: 'c.b' }), false)
    assert.ok(steps.count() <= 200_000, `${steps.count()}`)
    steps.reset()
    const extensions = Array.from({ length: 20_000 }, (_, index) =>
      extension(`1.2.${index}`, sequence()),
    )
    const odd = Certificate.parse(handMade({ extensions }))
    assert.equal(odd.extensions.all.length, 20_000)
    assert.ok(steps.count() <= 100_000, `${steps.count()}`)
  })

  it('are refused by their bytes before anything is read', (t) => {
    const steps = countSteps(t)
    for (const size of [MEBIBYTE + 1, 10 * MEBIBYTE]) {
      const bytes = new Uint8Array(size).fill(0x30)
      const message = /more than the 1048576 allowed/
      assert.throws(() => Certificate.parse(bytes), { message })
      assert.throws(() => OcspResponse.parse(bytes), { message })
    }
    const list = new Uint8Array(64 * MEBIBYTE + 1).fill(0x30)
    assert.throws(() => CertificateRevocationList.parse(list), { message: /67108864 allowed/ })
    assert.equal(steps.count(), 0)
  })

  it('of PEM are refused or read, whatever they are made of', () => {
    const begin = '-----BEGIN CERTIFICATE-----\n'
    const pieces = [
      begin,
      '-----BEGIN ',
      '-----END ',
      '-',
      '\n',
      'A',
      `${begin}AAAA\n-----END`,
      begin.trim(),
    ]
    for (const piece of pieces) {
      const text = piece.repeat(Math.ceil(MEBIBYTE / piece.length))
      onlyX509Error(() => parsePem(text, 'text'))
      onlyX509Error(() => parsePem(begin + text, 'text'))
    }
    const certificates = encodePem('CERTIFICATE', leaf.der).repeat(1000)
    assert.equal(Certificate.parseAll(certificates).length, 1000)
    const several = encodePem('CERTIFICATE', huge)
    assert.throws(() => Certificate.parse(several), { message: /more than the 1048576 allowed/ })
  })

  it('of a BER bundle are refused by depth and by count', () => {
    const decode = PARSERS.find(([label]) => label.startsWith('a PKCS'))?.[2]
    assert.ok(decode !== undefined)
    const indefinite = Buffer.from('3080'.repeat(2 * MEBIBYTE), 'hex')
    const octets = manyOf(Array.from({ length: 200_000 }, () => octetString()))
    const pieces = element(0x24, ...octets.parts)
    const empty = manyOf(Array.from({ length: 200_000 }, () => contextPrimitive(0, NOTHING)))
    for (const bytes of [
      indefinite.subarray(0, 4 * MEBIBYTE),
      encodeDer(sequence(pieces)),
      encodeDer(empty),
    ]) {
      assert.throws(() => decode(new Uint8Array(bytes)), {
        code: 'pkcs12-invalid',
        message: /too deep|more than 100000/,
      })
    }
  })
})

/** A SEQUENCE of more elements than a call takes arguments. */
function manyOf(parts: readonly DerNode[]): DerElement {
  return sequence(Buffer.concat(parts.map(encodeDer)))
}

/** Sequences in sequences, each as long as it can be, that many bytes at most and well formed but for their number. */
function nested(size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  let offset = 0
  for (let left = size; left >= 2; ) {
    const octets =
      left < 0x82 ? 0 : left < 0x103 ? 1 : left < 0x1_0004 ? 2 : left < 0x100_0005 ? 3 : 4
    const length = left - 2 - octets
    bytes[offset++] = 0x30
    bytes[offset++] = octets === 0 ? length : 0x80 | octets
    for (let shift = octets - 1; shift >= 0; shift--)
      bytes[offset++] = (length >>> (8 * shift)) & 0xff
    left = length
  }
  return bytes
}

/** Counts the elements that readers read from now on, to the end of the test. */
function countSteps(t: TestContext): { count(): number; reset(): void } {
  const reader = DerReader.prototype
  const kept = Object.getOwnPropertyDescriptors(reader)
  let count = 0
  for (const name of ['enter', 'content', 'element', 'skip'] as const) {
    const read: unknown = kept[name].value
    assert.ok(typeof read === 'function')
    // A mock of the test runner keeps every call with its stack: too much for so many.
    const value = function counted(this: DerReader, ...args: unknown[]): unknown {
      count++
      return Reflect.apply(read, this, args)
    }
    Object.defineProperty(reader, name, { ...kept[name], value })
  }
  t.after(() => Object.defineProperties(reader, kept))
  return { count: () => count, reset: () => (count = 0) }
}

const NOTHING = new Uint8Array()
