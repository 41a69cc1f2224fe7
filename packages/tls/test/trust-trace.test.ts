/**
 * Every option with every variable in every state: who is trusted, what was beaten, and what the store says about it.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { temporaryFolder, testAuthority } from '@countersign/testkit'
import { TlsError, type TlsErrorCode, type TrustOptions, TrustStore } from '@countersign/tls'
import type { Certificate } from '@countersign/x509'
import { authority, failureOf } from './support.ts'

const other = testAuthority()
const folder = temporaryFolder(after)
/** What a variable names, what `ca` names, what `extraCa` names. */
const [named, only, added] = [authority.issuer, authority.root, other.root]

const VARIABLES = [
  'COUNTERSIGN_CA',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'NODE_EXTRA_CA_CERTS',
] as const
type Variable = (typeof VARIABLES)[number]

const STATES = ['set', 'empty', 'missing', 'garbage', 'without a certificate'] as const
type State = (typeof STATES)[number]

const OPTIONS = {
  'no option': {},
  ca: { ca: only },
  extraCa: { extraCa: added },
  'ca and extraCa': { ca: only, extraCa: added },
} satisfies Record<string, TrustOptions>

/** What `SSL_CERT_DIR` names is a folder, what the others name a file. */
function valueOf(variable: Variable, state: State): string {
  if (state === 'empty') return ''
  const place = path.join(folder, `${variable} ${state}`)
  if (state === 'missing') return place
  const isFolder = variable === 'SSL_CERT_DIR'
  if (isFolder) mkdirSync(place, { recursive: true })
  writeFileSync(isFolder ? path.join(place, 'a.pem') : place, CONTENT[state])
  return place
}

const CONTENT = {
  set: named.pem,
  garbage: 'hello',
  'without a certificate': authority.issue({ names: ['a.test'] }).keyPem,
}

const FAULTS: Partial<Record<State, TlsErrorCode>> = {
  missing: 'ca-missing',
  garbage: 'ca-malformed',
  'without a certificate': 'ca-empty',
}

/** Whom a store must hold, in words of this test. */
function digestOf(certificates: readonly Certificate[]): { count: number; sha256: string } {
  const fingerprints = [...new Set(certificates.map((one) => hash('sha256', one.der)))]
  return {
    count: fingerprints.length,
    sha256: hash('sha256', fingerprints.toSorted().join('\n')),
  }
}

const DEFAULT = [...TrustStore.system().certificates, ...TrustStore.bundled().certificates]
const DEFAULT_TRACE =
  'no option and no environment variable names a source: system and bundled roots'

/** What the documents say of one cell. */
function expected(
  option: keyof typeof OPTIONS,
  variable: Variable,
  state: State,
): { certificates: Certificate[]; trace: string[] } | { fault: TlsErrorCode } {
  const certificates: Certificate[] = []
  const trace: string[] = []
  const isSet = state !== 'empty'
  if (option.startsWith('ca')) {
    certificates.push(only)
    trace.push('option ca: 1 certificate')
    // What is beaten is not read, so that it does not matter what it names.
    if (isSet) trace.push(`option ca beat ${variable}`)
  } else {
    const fault = FAULTS[state]
    if (fault !== undefined) return { fault }
    const replaces = isSet && variable !== 'NODE_EXTRA_CA_CERTS'
    certificates.push(...(replaces ? [named] : DEFAULT))
    trace.push(replaces ? `${variable}: 1 certificate` : DEFAULT_TRACE)
    if (isSet && !replaces) {
      certificates.push(named)
      trace.push(`${variable} added 1 certificate`)
    }
  }
  if (option.endsWith('extraCa')) {
    certificates.push(added)
    trace.push('option extraCa added 1 certificate')
  }
  return { certificates, trace }
}

describe('the trace of a trust store', () => {
  for (const [option, variable, state] of Object.keys(OPTIONS).flatMap((one) =>
    VARIABLES.flatMap((two) => STATES.map((three) => [one, two, three] as const)),
  )) {
    if (!isOption(option)) continue
    it(`says who won: ${option}, ${variable} ${state}`, async () => {
      const value = valueOf(variable, state)
      const resolve = (): TrustStore =>
        TrustStore.resolve({ ...OPTIONS[option], env: { [variable]: value } })
      const wanted = expected(option, variable, state)
      if ('fault' in wanted) {
        const error = await failureOf(resolve)
        assert.equal(error.code, wanted.fault)
        assert.equal(error.source, variable)
        assert.ok(error.message.includes(variable) && error.message.includes(value), error.message)
        return
      }
      const { trace, count, sha256, sources } = resolve().describe()
      assert.deepEqual(
        { trace, count, sha256 },
        { trace: wanted.trace, ...digestOf(wanted.certificates) },
      )
      const names = new Set(sources.map(({ name }) => name))
      for (const line of trace) {
        const [, beaten] = / beat (\S+)$/.exec(line) ?? []
        if (beaten !== undefined)
          assert.ok(!names.has(beaten), `${beaten} was beaten and is a source`)
      }
      assert.equal(names.has(variable), state === 'set' && !option.startsWith('ca'))
    })
  }

  it('says of each two variables which one won, as docs/reference/environment.md has it', () => {
    const rows = documentedRows()
    assert.deepEqual(rows.flat().toSorted(), VARIABLES.toSorted())
    const extra = rows.pop()
    assert.deepEqual(extra, ['NODE_EXTRA_CA_CERTS'])
    let pairs = 0
    for (const [index, row] of rows.entries()) {
      for (const [first, second] of row.flatMap((one) =>
        rows.slice(index + 1).flatMap((later) => later.map((two) => [one, two] as const)),
      )) {
        pairs++
        // The other way round too: what comes first in the environment does not matter.
        const { trace, count } = TrustStore.resolve({
          env: { [second]: valueOf(second, 'garbage'), [first]: valueOf(first, 'set') },
        }).describe()
        assert.deepEqual(trace, [`${first}: 1 certificate`, `${first} beat ${second}`])
        assert.equal(count, 1)
        // A winner that cannot be read is an error, and no reason to ask the next.
        assert.throws(
          () =>
            TrustStore.resolve({
              env: { [first]: valueOf(first, 'missing'), [second]: valueOf(second, 'set') },
            }),
          (error) => error instanceof TlsError && error.source === first,
        )
      }
    }
    assert.equal(pairs, 9)
    const together = TrustStore.resolve({
      env: {
        SSL_CERT_FILE: valueOf('SSL_CERT_FILE', 'set'),
        SSL_CERT_DIR: valueOf('SSL_CERT_DIR', 'set'),
        NODE_EXTRA_CA_CERTS: valueOf('NODE_EXTRA_CA_CERTS', 'set'),
      },
    })
    assert.deepEqual(together.describe().trace, [
      'SSL_CERT_FILE and SSL_CERT_DIR: 2 certificates',
      'NODE_EXTRA_CA_CERTS added 1 certificate',
    ])
    assert.equal(together.size, 1, 'the same one three times')
  })
})

/** The variables of each row below the options, in the order of the document; that which always adds comes last. */
function documentedRows(): Variable[][] {
  const file = path.join(import.meta.dirname, '../../../docs/reference/environment.md')
  const [, trust = ''] = readFileSync(file, 'utf8').split('## Trust')
  return [...trust.matchAll(/^\| (?:\d|always) \|(.*)\|$/gm)]
    .map(([, text = '']) => VARIABLES.filter((name) => text.includes(`\`${name}\``)))
    .filter((row) => row.length > 0)
}

function isOption(name: string): name is keyof typeof OPTIONS {
  return Object.hasOwn(OPTIONS, name)
}
