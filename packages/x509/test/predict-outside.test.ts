import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import {
  browserForTests,
  requirePython,
  requireTool,
  runCommand,
  scrubProcess,
  temporaryFolder,
} from '@countersign/testkit'
import { type ClientId, predictClients, verifyChain } from '../src/index.ts'
import { MORE, type Program, TABLE, type TableRow } from './client-table.ts'
import { handshake } from './node-handshake.ts'
import { OPENSSL_CHAINS } from './openssl-chains.ts'
import {
  type Answers,
  askChromium,
  askCurl,
  askJava,
  askOpenssl,
  askPython,
  browserOptions,
  hostOf,
  type ShownChain,
} from './outside-clients.ts'
import { HOST } from './verify-world.ts'

scrubProcess()
const folder = temporaryFolder(after)
const rows: readonly TableRow[] = [...TABLE, ...MORE]
/** Nearly a hundred chains; four of them with revocation lists. */
const chains: readonly ShownChain[] = [...rows, ...OPENSSL_CHAINS]
const withoutLists = chains.filter(({ crls }) => crls === undefined)
/** What Node does otherwise than other programs on OpenSSL, or than those on OpenSSL 3.0. */
const NODE_ONLY = /^a partial wildcard$|ML-DSA/

describe('predictClients and the profile openssl beside the programs of this machine', () => {
  it('agrees with node', { skip: notNode24() }, async () => {
    const answers: Answers = []
    for (const chain of chains) {
      answers.push(await handshake({ ...chain, name: hostOf(chain.name) }))
    }
    assertPredicted('node', chains, answers)
  })

  it('agrees with openssl verify, as it comes and strict', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const asked = asking('openssl', chains, await knowsMlDsa(openssl, ['version']))
    const answers = await askOpenssl(openssl, asked, folder)
    assertPredicted('python', asked, answers)
    assertProfile(asked, answers)
    const flags = ['-x509_strict', '-partial_chain']
    assertPredicted('python-strict', asked, await askOpenssl(openssl, asked, folder, flags))
  })

  it('agrees with python3', async (t) => {
    const python = requirePython(t)
    if (python === undefined) return
    const { stdout } = await runCommand(python, ['-c', IS_STRICT])
    const isStrict = stdout.trim() === 'True'
    const asked = asking('python', chains, false)
    const answers = await askPython(python, asked, folder)
    assertPredicted(isStrict ? 'python-strict' : 'python', asked, answers)
    if (!isStrict) assertProfile(asked, answers)
  })

  it('agrees with a python3 whose context is strict', async (t) => {
    const python = requirePython(t, { strict: true })
    if (python === undefined) return
    const asked = asking('python', chains, false)
    assertPredicted('python-strict', asked, await askPython(python, asked, folder))
  })

  it('agrees with curl', async (t) => {
    const curl = requireTool(t, 'curl')
    if (curl === undefined) return
    const asked = asking('curl', withoutLists, await knowsMlDsa(curl, ['--version']))
    assertPredicted('curl', asked, await askCurl(curl, asked, folder))
  })

  it('agrees with java', async (t) => {
    const java = requireTool(t, 'java')
    if (java === undefined) return
    const { stderr } = await runCommand(java, ['-version'])
    if (!/version "17\./.test(stderr)) return t.skip('needs java 17')
    const asked = asking('java', withoutLists, false)
    assertPredicted('java', asked, await askJava(java, asked, folder))
  })

  it('agrees with chromium', async (t) => {
    // Every row was asked once; each time those of which it says something else than Node: a page takes its time.
    const asked = asking('chromium', rows.filter(differsFromNode), false)
    const started = await browserForTests(t, browserOptions(asked))
    if (started === undefined) return
    if (!started.browser.version().startsWith('156.')) return t.skip('needs chromium 156')
    assertPredicted('chromium', asked, await askChromium(started, asked))
  })
})

/** Without the chains that a program cannot be asked about; one on OpenSSL 3.5 knows ML-DSA, which is not what was measured. */
function asking(
  program: Program | 'curl',
  all: readonly ShownChain[],
  isNew: boolean,
): readonly ShownChain[] {
  const unasked = new Set<ShownChain>(
    rows.filter((row) => row.unasked?.some((one) => one === program)),
  )
  return all.filter((chain) => !unasked.has(chain) && !(isNew && chain.what.includes('ML-DSA')))
}

async function knowsMlDsa(file: string, args: readonly string[]): Promise<boolean> {
  const { stdout } = await runCommand(file, args)
  return !/OpenSSL[ /]3\.[0-4]\./.test(stdout)
}

function differsFromNode({ refusedBy }: TableRow): boolean {
  return refusedBy.includes('chromium') !== refusedBy.includes('node')
}

function notNode24(): string | false {
  return process.version.startsWith('v24.') ? false : 'the prediction is that of Node 24'
}

function assertPredicted(client: ClientId, asked: readonly ShownChain[], answers: Answers): void {
  assertSame(asked, answers, ({ sent, roots, crls, name = { dns: HOST } }) => {
    const [leaf, ...intermediates] = sent
    assert.ok(leaf)
    const all = predictClients({ leaf, intermediates, roots, name, crls })
    const prediction = all.find((one) => one.client === client)
    assert.ok(prediction)
    return prediction.message
  })
}

/** The profile is that of Node; {@link NODE_ONLY} names where that differs from the rest of OpenSSL. */
function assertProfile(asked: readonly ShownChain[], answers: Answers): void {
  const shared = asked.flatMap((chain, index) =>
    NODE_ONLY.test(chain.what) ? [] : [{ chain, answer: answers[index] }],
  )
  assert.ok(shared.length >= 80)
  assertSame(
    shared.map(({ chain }) => chain),
    shared.map(({ answer }) => answer),
    ({ sent, roots, crls, name = { dns: HOST } }) => {
      const [leaf, ...intermediates] = sent
      assert.ok(leaf)
      const options = { leaf, intermediates, roots, name, crls, profile: 'openssl' } as const
      const verdict = verifyChain(options)
      return verdict.ok ? undefined : verdict.message
    },
  )
}

function assertSame(
  asked: readonly ShownChain[],
  answers: Answers,
  ours: (chain: ShownChain) => string | undefined,
): void {
  assert.equal(answers.length, asked.length)
  const differences = asked.flatMap((chain, index) => {
    const said = ours(chain)
    const theirs = answers[index]
    if ((said === undefined) === (theirs === undefined)) return []
    return [`${chain.what}: ours ${said ?? 'accepted'}; theirs ${theirs ?? 'accepted'}`]
  })
  assert.deepEqual(differences, [])
}

const IS_STRICT = `import ssl
print(bool(ssl.create_default_context().verify_flags & ssl.VerifyFlags.VERIFY_X509_STRICT))`
