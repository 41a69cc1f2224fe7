import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ClientError, type RequestOptions, Session, type TrustOptions } from '@countersign/client'
import { scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'
import { sendJson, startServer, type TestServer } from './servers.ts'

scrubProcess()
const good = testAuthority()
const bad = testAuthority()
const leaf = good.issue({ names: ['localhost'] })
const folder = temporaryFolder(after)
let server: TestServer

before(async () => {
  server = await startServer((_request, response) => sendJson(response, 1), {
    key: leaf.keyPem,
    cert: leaf.chainPem,
  })
})
after(async () => {
  await server[Symbol.asyncDispose]()
})

/** What one level says about trust. */
type State = 'unset' | 'good' | 'bad' | 'empty' | 'missing' | 'garbage'

/** What comes of a call. */
type Outcome = 'trusted' | 'untrusted-root' | 'ca-missing' | 'ca-malformed' | 'ca-empty'

const STATES: readonly State[] = ['unset', 'good', 'bad', 'empty', 'missing', 'garbage']
const LEVELS = ['call', 'session', 'profile'] as const
const VARIABLES = [
  'COUNTERSIGN_CA',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'NODE_EXTRA_CA_CERTS',
] as const

const files = new Map<State, string>([
  ['good', file('good.pem', good.rootPem)],
  ['bad', file('bad.pem', bad.rootPem)],
  ['empty', file('empty.pem', '')],
  ['missing', path.join(folder, 'missing.pem')],
  ['garbage', file('garbage.pem', 'hello')],
])
const folders = new Map<State, string>([
  ['good', inFolder('good', good.rootPem)],
  ['bad', inFolder('bad', bad.rootPem)],
  ['empty', ''],
  ['missing', path.join(folder, 'no-folder')],
  ['garbage', inFolder('garbage', 'hello')],
])

/** What a level does on its own: a named source decides, whatever is below it. */
const DECIDES = new Map<State, Outcome>([
  ['good', 'trusted'],
  ['bad', 'untrusted-root'],
  ['empty', 'ca-empty'],
  ['missing', 'ca-missing'],
  ['garbage', 'ca-malformed'],
])

let cells = 0

describe('whom to trust: the call, else the session, else the profile, else the environment', () => {
  for (const call of STATES) {
    for (const session of STATES) {
      for (const profile of STATES) {
        const states = [call, session, profile]
        const decisive = states.find((state) => state !== 'unset')
        cells++
        it(`call ${call}, session ${session}, profile ${profile}`, async () => {
          // Every level that code speaks from beats every variable, a broken one included.
          await withEnvironment({ SSL_CERT_FILE: files.get('garbage') ?? '' }, async () => {
            const said = decisive === undefined ? 'ca-malformed' : DECIDES.get(decisive)
            // A source that code names is read at construction, also one that is beaten by a call.
            const broken = [session, session === 'unset' ? profile : 'unset'].find(isBroken)
            const expected = broken === undefined ? said : DECIDES.get(broken)
            assert.equal(await outcome({ call, session, profile }), expected)
          })
        })
      }
    }
  }
})

describe('each variable, under each level', () => {
  for (const variable of VARIABLES) {
    for (const state of STATES) {
      for (const level of [...LEVELS, 'nobody'] as const) {
        for (const says of level === 'nobody' ? (['unset'] as const) : (['good', 'bad'] as const)) {
          cells++
          const who = level === 'nobody' ? 'nobody says anything' : `${level} ${says}`
          it(`${variable} ${state}, ${who}`, async () => {
            await withEnvironment(variableOf(variable, state), async () => {
              const expected = level === 'nobody' ? fromEnvironment(state) : DECIDES.get(says)
              assert.equal(await outcome({ [level]: says }), expected)
            })
          })
        }
      }
    }
  }
})

describe('two variables', () => {
  const order = VARIABLES.filter((name) => name !== 'NODE_EXTRA_CA_CERTS')
  for (const [index, first] of order.entries()) {
    for (const second of order.slice(index + 1)) {
      cells++
      // The two of OpenSSL are one source.
      const union = first.startsWith('SSL_') && second.startsWith('SSL_')
      it(`${first} ${union ? 'with' : 'beats'} ${second}`, async () => {
        const both = { ...variableOf(first, 'bad'), ...variableOf(second, 'good') }
        await withEnvironment(both, async () => {
          assert.equal(await outcome({}), union ? 'trusted' : 'untrusted-root')
        })
        const swapped = { ...variableOf(first, 'good'), ...variableOf(second, 'bad') }
        await withEnvironment(swapped, async () => assert.equal(await outcome({}), 'trusted'))
      })
    }
    cells++
    it(`NODE_EXTRA_CA_CERTS adds to ${first}, and to nothing that code names`, async () => {
      const both = { ...variableOf(first, 'bad'), ...variableOf('NODE_EXTRA_CA_CERTS', 'good') }
      await withEnvironment(both, async () => {
        assert.equal(await outcome({}), 'trusted')
        for (const level of LEVELS)
          assert.equal(await outcome({ [level]: 'bad' }), 'untrusted-root')
      })
    })
  }

  it('the table has at least 120 cells', () => {
    assert.ok(cells >= 120, String(cells))
  })
})

describe('extraCa, at each level', () => {
  for (const upper of LEVELS) {
    for (const lower of LEVELS) {
      it(`extraCa of the ${upper}, ca of the ${lower}`, async () => {
        // What a lower level adds is not meant by "only these" of an upper one; beside or above it, it adds.
        const counts = LEVELS.indexOf(upper) <= LEVELS.indexOf(lower)
        const expected = counts ? 'trusted' : 'untrusted-root'
        assert.equal(await outcome({ [lower]: 'bad' }, { [upper]: 'good' }), expected)
      })
    }
  }
})

describe('the trace', () => {
  it('says which level won, and which variables were beaten', async () => {
    await withEnvironment({ SSL_CERT_FILE: '/nowhere.pem' }, async () => {
      const session = new Session({
        ca: good.rootPem,
        origins: {
          'https://*.corp.internal': { ca: bad.rootPem, pin: `sha256:${'0'.repeat(64)}` },
        },
      })
      assert.deepEqual(session.describeTrust('https://api.corp.internal').trace, [
        'only these authorities: the session beat the profile https://*.corp.internal',
        'pin: the profile https://*.corp.internal',
        'option ca: 1 certificate',
        'option ca beat SSL_CERT_FILE',
      ])
      assert.deepEqual(session.trust.describe().trace, [
        'option ca: 1 certificate',
        'option ca beat SSL_CERT_FILE',
      ])
    })
  })
})

async function outcome(
  said: Partial<Record<(typeof LEVELS)[number] | 'nobody', State>>,
  more: Partial<Record<(typeof LEVELS)[number], State>> = {},
): Promise<string> {
  try {
    const profile = { ...ca(said.profile), ...extraCa(more.profile) }
    const options = { ...ca(said.session), ...extraCa(more.session) }
    const call: RequestOptions = { ...ca(said.call), ...extraCa(more.call) }
    await using session = new Session({ ...options, origins: { 'https://localhost:*': profile } })
    const response = await session.get(server.url, call)
    await response.close()
    return response.peer.verified ? 'trusted' : 'unverified'
  } catch (error) {
    if (error instanceof ClientError) return error.code
    throw error
  }
}

function ca(state: State | undefined): TrustOptions {
  return state === undefined || state === 'unset' ? {} : { ca: files.get(state) }
}

function extraCa(state: State | undefined): TrustOptions {
  return state === undefined || state === 'unset' ? {} : { extraCa: files.get(state) }
}

function isBroken(state: State): boolean {
  return state === 'empty' || state === 'missing' || state === 'garbage'
}

function variableOf(variable: string, state: State): Record<string, string> {
  if (state === 'unset') return {}
  // A variable that is empty counts as not set.
  if (state === 'empty') return { [variable]: '' }
  return { [variable]: (variable === 'SSL_CERT_DIR' ? folders : files).get(state) ?? '' }
}

function fromEnvironment(state: State): Outcome | undefined {
  return state === 'unset' || state === 'empty' ? 'untrusted-root' : DECIDES.get(state)
}

function file(name: string, content: string): string {
  const full = path.join(folder, name)
  writeFileSync(full, content)
  return full
}

function inFolder(name: string, content: string): string {
  const made = path.join(folder, `folder-${name}`)
  mkdirSync(made)
  writeFileSync(path.join(made, 'a.pem'), content)
  return made
}

async function withEnvironment(
  variables: Readonly<Record<string, string>>,
  work: () => Promise<void>,
): Promise<void> {
  Object.assign(process.env, variables)
  try {
    await work()
  } finally {
    for (const name of Object.keys(variables)) delete process.env[name]
  }
}
