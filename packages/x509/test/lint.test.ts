import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { bitString, boolean, integer, octetString, sequence } from '../src/der-writer.ts'
import {
  Certificate,
  createLinter,
  encodePem,
  type Finding,
  lint,
  LINT_RULES,
  lintProfile,
  PrivateKey,
} from '../src/index.ts'
import { ALL, type LintProfile } from '../src/lint-rule.ts'
import { OID } from '../src/oid.ts'
import { name } from './hand-made.ts'
import { LINT_CASES } from './lint-cases.ts'
import {
  alt,
  basic,
  type Changes,
  CLIENT_AUTH,
  dns,
  flagged,
  lintable,
  purposes,
  range,
  SERVER_AUTH,
  usage,
} from './lint-certificates.ts'
import { oddCertificates } from './odd-certificates.ts'

const ids = (findings: readonly Finding[]): string[] => findings.map(({ id }) => id)

/** Who refuses what the case of the rule has, where it depends on that: a subject key identifier, an ML-DSA key. */
const BY_FINDING: Record<string, string[]> = {
  'extension-must-not-be-critical': ['node', 'python-strict', 'java', 'chromium'],
  'key-few-clients': ['python-strict', 'go', 'java', 'firefox'],
}

describe('lint', () => {
  for (const profile of ALL) {
    it(`finds nothing in a sound certificate: ${profile}`, () => {
      assert.deepEqual(lint(lintable(profile)), [])
      assert.equal(lintProfile(Certificate.parse(lintable(profile))), profile)
    })
  }

  for (const { id, severity, citation, fix, refusedBy = [] } of LINT_RULES) {
    it(`${id}: refused, and its twin accepted`, () => {
      const rule = LINT_CASES[id]
      assert.ok(rule !== undefined, 'every rule has a case')
      const { profile, refused, accepted, time } = rule
      const found = lint(lintable(profile, refused), { profile, time })
      const finding = found.find((one) => one.id === id)
      assert.ok(finding !== undefined, ids(found).join())
      assert.match(finding.message, /^(?:DNS |[^A-Z]).*[^.]$/s)
      assert.deepEqual(
        { ...finding, message: '' },
        { id, severity, message: '', citation, fix, refusedBy: BY_FINDING[id] ?? refusedBy },
      )
      const rest = lint(lintable(profile, accepted), { profile, time })
      assert.equal(ids(rest).includes(id), false, JSON.stringify(rest))
      // The twin is sound, but for what goes with its key.
      const graver = rest.filter((one) => one.severity === 'error')
      assert.deepEqual(graver, [])
    })
  }

  it('has no case without a rule, and no rule twice', () => {
    const rules = LINT_RULES.map(({ id }) => id)
    assert.deepEqual(Object.keys(LINT_CASES).toSorted(), rules.toSorted())
    assert.equal(new Set(rules).size, rules.length)
  })

  it('takes a certificate, its PEM and its DER alike', () => {
    const der = lintable('server', { serialNumber: integer(5) })
    const expected = ['serial-short']
    assert.deepEqual(ids(lint(der)), expected)
    assert.deepEqual(ids(lint(encodePem('CERTIFICATE', der))), expected)
    assert.deepEqual(ids(lint(Certificate.parse(der))), expected)
  })

  it('says what it cannot read, and goes on with the rest', () => {
    const findings = lint(
      lintable('server', {
        serialNumber: integer(0),
        extensions: {
          [OID.keyUsage]: flagged(OID.keyUsage, true, octetString()),
          [OID.subjectAltName]: flagged(OID.subjectAltName, true, boolean(true)),
        },
      }),
    )
    const unreadable = findings.filter(({ id }) => id === 'part-unreadable')
    assert.equal(unreadable.length, 2, JSON.stringify(findings))
    assert.ok(ids(findings).includes('serial-zero'))
    for (const broken of [
      '',
      'x',
      '-----BEGIN CERTIFICATE-----',
      new Uint8Array(),
      Uint8Array.of(0x30),
    ]) {
      assert.deepEqual(ids(lint(broken)), ['certificate-unreadable'])
    }
  })

  it('does not hold the validity against a clock that was not given', () => {
    const { refused } = LINT_CASES['expired'] ?? assert.fail('no case')
    assert.deepEqual(lint(lintable('server', refused)), [])
  })

  it('tells a profile from the certificate, and takes the one it is given', () => {
    const without = { [OID.extendedKeyUsage]: undefined }
    assert.equal(profileOf('server', { extensions: without }), 'server')
    assert.equal(profileOf('client', { extensions: without }), 'client')
    assert.equal(
      profileOf('client', {
        extensions: { [OID.extendedKeyUsage]: purposes(CLIENT_AUTH, SERVER_AUTH) },
      }),
      'server',
    )
    assert.equal(
      profileOf('client', { extensions: { [OID.basicConstraints]: basic(true, boolean(true)) } }),
      'issuer',
    )
    assert.equal(
      profileOf('server', { extensions: { [OID.keyUsage]: usage(['keyCertSign']) } }),
      'issuer',
    )
    const client = lintable('client', {
      extensions: {
        [OID.subjectAltName]: alt(undefined, dns('api.corp.internal'), range('0a000001')),
      },
    })
    assert.deepEqual(ids(lint(client)), ['purpose-client-with-host'])
    assert.ok(ids(lint(client, { profile: 'server' })).includes('purpose-no-server'))
  })

  it('refuses an option and a profile nobody knows', () => {
    const der = lintable('server')
    assert.throws(() => lint(der, JSON.parse('{"profil":"server"}')), { code: 'option-unknown' })
    assert.throws(() => lint(der, JSON.parse('{"profile":"serverr"}')), { code: 'option-invalid' })
  })

  it('gives findings and nothing else for whatever it is handed', () => {
    const rules = new Set(LINT_RULES.map(({ id }) => id))
    const check = (input: string | Uint8Array): void => {
      for (const profile of [undefined, 'root', 'server'] as const) {
        for (const { id } of lint(input, { profile, time: new Date(1.8e12) }))
          assert.ok(rules.has(id))
      }
    }
    for (const [, der] of oddCertificates()) check(der)
    const seeds = [
      ...ALL.map((profile) => lintable(profile)),
      ...Object.values(LINT_CASES).map((one) => lintable(one.profile, one.refused)),
    ]
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (seed, edits) => {
          const bytes = Uint8Array.from(seed)
          for (const [at, value] of edits) bytes[at % bytes.length] = value
          check(bytes)
          const parsed = parseIfPossible(bytes)
          if (parsed !== undefined) assert.deepEqual(lint(parsed), lint(bytes))
        },
      ),
      { numRuns: 800 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check), { numRuns: 200 })
    fc.assert(fc.property(fc.string(), check), { numRuns: 100 })
  })
})

describe('createLinter', () => {
  it('finds what lint finds, whatever it has seen before', () => {
    for (const profile of ALL) {
      const cases = Object.values(LINT_CASES).filter((one) => one.profile === profile)
      const ders = cases.flatMap(({ refused, accepted }) => [refused, accepted ?? {}])
      const certificates = ders.flatMap(
        (changes) => parseIfPossible(lintable(profile, changes)) ?? [],
      )
      const linter = createLinter({ profile })
      for (const certificate of [...certificates, ...certificates]) {
        // The sound one first, so that its kind is known.
        assert.deepEqual(linter(Certificate.parse(lintable(profile))), [])
        assert.deepEqual(sorted(linter(certificate)), sorted(lint(certificate, { profile })))
      }
    }
  })

  it('sees a fault in what differs between certificates of a kind that it knows', () => {
    const linter = createLinter({ profile: 'server' })
    assert.deepEqual(linter(Certificate.parse(lintable('server'))), [])
    const bad = lintable('server', {
      serialNumber: integer(0),
      subject: name(),
      extensions: { [OID.subjectAltName]: alt(true, dns('10.0.0.1')) },
      signature: bitString(new Uint8Array(8)),
    })
    assert.deepEqual(ids(linter(Certificate.parse(bad))), [
      'serial-zero',
      'serial-short',
      'dns-name-is-address',
    ])
  })

  it('sees that a certificate is for the key of whoever signs, by the key or by its identifier', () => {
    const linter = createLinter({ profile: 'server' })
    const certificate = Certificate.parse(lintable('server'))
    const other = PrivateKey.generateSync('p256').publicKey
    assert.deepEqual(linter(certificate, other), [])
    assert.deepEqual(ids(linter(certificate, certificate.publicKey)), ['key-of-issuer'])
    const { refused } = LINT_CASES['key-of-issuer'] ?? {}
    assert.ok(refused)
    const foreign = Certificate.parse(lintable('server', refused))
    assert.deepEqual(ids(linter(foreign)), ['key-of-issuer'])
  })

  it('keeps the sequence of two kinds apart by their issuer', () => {
    const linter = createLinter({ profile: 'server' })
    assert.deepEqual(linter(Certificate.parse(lintable('server'))), [])
    const other = lintable('server', { issuer: sequence() })
    assert.deepEqual(ids(linter(Certificate.parse(other))), ['issuer-empty'])
  })
})

function parseIfPossible(der: Uint8Array): Certificate | undefined {
  try {
    return Certificate.parse(der)
  } catch {
    return undefined
  }
}

function profileOf(profile: LintProfile, changes: Changes): LintProfile {
  return lintProfile(Certificate.parse(lintable(profile, changes)))
}

function sorted(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((a, b) => (a.id + a.message < b.id + b.message ? -1 : 1))
}
