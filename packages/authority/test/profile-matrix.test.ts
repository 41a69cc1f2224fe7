/** Every profile with every type of key, judged by us and by the programs of others. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { initAuthority } from '@countersign/authority'
import { openStore } from '@countersign/store'
import {
  browserForTests,
  outsidePython,
  outsideTool,
  runCommand,
  scrubProcess,
  skipWithout,
  skipWithoutBrowser,
  skipWithoutPython,
  temporaryFolder,
} from '@countersign/testkit'
import { Certificate, KEY_TYPES, lint, PrivateKey, verifyChain } from '@countersign/x509'
import {
  CELLS,
  type Cell,
  CLIENTS,
  type Client,
  compatibilityTables,
  HOST,
  isExpected,
  MISNAMED,
  QUESTIONS,
  type Question,
} from './profile-matrix-cells.ts'
import {
  askChromium,
  askGnutls,
  askJava,
  askNode,
  askNss,
  askOpenssl,
  askPython,
  type CellFiles,
  type Judgement,
  type MatrixFiles,
} from './profile-matrix-clients.ts'

scrubProcess()

const folder = temporaryFolder(after)
const at = (name: string): string => path.join(folder, name)

describe('every profile with every type of key', () => {
  before(makeMatrix)

  it('is clean to our linter', () => {
    for (const cell of CELLS) {
      const [leaf] = chainOf(cell)
      assert.ok(leaf)
      const profile = cell.profile === 'client' ? 'client' : 'server'
      // Notices say what was chosen: a key that few know, two purposes.
      const graver = lint(leaf, { profile }).filter(({ severity }) => severity !== 'notice')
      assert.deepEqual(graver, [], cell.id)
    }
  })

  for (const profile of ['strict', 'openssl'] as const) {
    it(`is verified by us, ${profile}: for its purpose and its names alone`, () => {
      const roots = Certificate.parseAll(readFileSync(files.roots, 'utf8'))
      for (const { cell, purpose, host } of [...QUESTIONS, ...MISNAMED]) {
        const [leaf, ...intermediates] = chainOf(cell)
        assert.ok(leaf)
        const name = purpose === 'server' ? { dns: host } : undefined
        const { ok } = verifyChain({ leaf, intermediates, roots, purpose, name, profile })
        const serves = cell.profile === purpose || cell.profile === 'both'
        assert.equal(ok, serves && host === HOST, `${cell.id} as ${purpose} ${host}`)
      }
    })
  }

  it('is taken by Node', async () => {
    const asked = [...QUESTIONS, ...MISNAMED]
    assertExpected('node', asked, await askNode(files, asked))
  })

  it('is taken by openssl verify -x509_strict', { skip: skipWithout('openssl') }, async () => {
    const asked = [...QUESTIONS, ...MISNAMED]
    assertExpected('openssl', asked, await askOpenssl(tool('openssl'), files, asked))
  })

  it('is taken by Python, strict', { skip: skipWithoutPython() }, async () => {
    const asked = [...QUESTIONS, ...MISNAMED]
    // Both sides set the flag, which 3.13 sets by itself.
    const python = outsidePython({ strict: true }) ?? outsidePython() ?? ''
    assertExpected('python', asked, await askPython(python, files, asked))
  })

  it('is taken by Java', { skip: skipWithout('java') }, async () => {
    const asked = [...QUESTIONS, ...MISNAMED]
    assertExpected('java', asked, await askJava(tool('java'), files, asked))
  })

  it('is read by keytool', { skip: skipWithout('keytool') }, async () => {
    writeFileSync(at('all.pem'), CELLS.map((cell) => readFileSync(files.of(cell).leaf)).join(''))
    const args = ['-J-Duser.language=en', '-printcert', '-file', at('all.pem')]
    const { code, stdout } = await runCommand(tool('keytool'), args)
    assert.equal(code, 0)
    assert.equal(stdout.match(/^Certificate\[\d+\]:/gm)?.length, CELLS.length)
  })

  it('is taken by certtool', { skip: skipWithout('certtool', 'gnutls-cli') }, async () => {
    const asked = [...QUESTIONS, ...MISNAMED]
    assertExpected('gnutls', asked, await askGnutls(tool('certtool'), files, asked))
  })

  it('is taken by NSS: certutil, vfychain', {
    skip: skipWithout('certutil', 'vfychain'),
  }, async () => {
    const tools = { certutil: tool('certutil'), vfychain: tool('vfychain') }
    assertExpected('nss', QUESTIONS, await askNss(tools, files, QUESTIONS))
  })

  it('is taken by Chromium', { skip: skipWithoutBrowser() }, async (t) => {
    const { noAuthority } = clientOf('chromium')
    const roots = KEY_TYPES.filter((type) => !noAuthority.includes(type)).map((type) =>
      readFileSync(files.rootOf(type), 'utf8'),
    )
    const hosts = { '*.corp.internal': '127.0.0.1', '*.other.internal': '127.0.0.1' }
    const started = await browserForTests(t, { roots, hosts })
    if (started === undefined) return
    // Which signatures it knows has changed before: of another version only what all have known is asked.
    const isMeasured = started.browser.version().startsWith('156.')
    const asked = [...QUESTIONS, ...MISNAMED].filter(
      ({ purpose, cell }) =>
        purpose === 'server' && (isMeasured || !/ed25519|ml-dsa/.test(cell.leaf + cell.authority)),
    )
    assertExpected('chromium', asked, await askChromium(started, files, asked))
  })
})

describe('docs/reference/compatibility.md', () => {
  it('has the tables of what was measured', () => {
    const page = new URL('../../../docs/reference/compatibility.md', import.meta.url)
    assert.ok(readFileSync(page, 'utf8').includes(compatibilityTables()), compatibilityTables())
  })
})

/** Authorities of all types at once: two RSA keys of 4096 bits take seconds. */
async function makeMatrix(): Promise<void> {
  const keys = new Map(
    await Promise.all(
      KEY_TYPES.map(async (type) => [type, await PrivateKey.generate(type)] as const),
    ),
  )
  for (const [type, key] of keys) writeFileSync(at(`${type}.key`), key.toPem(), { mode: 0o600 })
  await Promise.all(KEY_TYPES.map(async (type) => makeColumn(type, keys)))
  writeFileSync(files.issuers, KEY_TYPES.map((type) => readFileSync(files.issuerOf(type))).join(''))
  writeFileSync(files.roots, KEY_TYPES.map((type) => readFileSync(files.rootOf(type))).join(''))
}

/** The certificates under one authority. */
async function makeColumn(
  keyType: (typeof KEY_TYPES)[number],
  keys: ReadonlyMap<string, PrivateKey>,
): Promise<void> {
  await using store = await openStore('sqlite::memory:')
  const authority = await initAuthority({ store, folder: at(keyType), keyType })
  const cells = CELLS.filter((cell) => cell.authority === keyType)
  const issued = await authority.issueMany(
    cells.map(({ id, leaf, profile }) => ({
      names: profile === 'client' ? [id] : [HOST, `${id}.corp.internal`],
      publicKey: keys.get(leaf)?.publicKey,
      profile,
      requester: 'test',
    })),
  )
  for (const [index, { id }] of cells.entries()) {
    const chain = issued[index]?.chain.map(({ pem }) => pem) ?? []
    writeFileSync(at(`${id}.leaf.pem`), chain[0] ?? '')
    writeFileSync(at(`${id}.chain.pem`), chain.join(''))
  }
  writeFileSync(files.rootOf(keyType), authority.rootsPem)
  writeFileSync(files.issuerOf(keyType), authority.issuer.pem)
}

const filesOf = (id: string, leaf: string): CellFiles => ({
  leaf: at(`${id}.leaf.pem`),
  chain: at(`${id}.chain.pem`),
  key: at(`${leaf}.key`),
})
const files: MatrixFiles = {
  folder,
  roots: at('roots.pem'),
  issuers: at('issuers.pem'),
  rootOf: (authority) => at(`${authority}.root.pem`),
  issuerOf: (authority) => at(`${authority}.issuer.pem`),
  of: ({ id, leaf }) => filesOf(id, leaf),
  partner: ({ authority }, profile) => filesOf(`p256-${profile}-under-${authority}`, 'p256'),
}

function chainOf(cell: Cell): Certificate[] {
  return Certificate.parseAll(readFileSync(files.of(cell).chain, 'utf8'))
}

function tool(name: string): string {
  return outsideTool(name) ?? name
}

function clientOf(id: Client['id']): Client {
  const client = CLIENTS.find((one) => one.id === id)
  assert.ok(client)
  return client
}

/** What was asked was answered as expected: accepted, or refused because of the purpose, the name or an unknown algorithm. */
function assertExpected(
  id: Client['id'],
  asked: readonly Question[],
  { answers, known }: Judgement,
): void {
  assert.equal(answers.length, asked.length)
  const client = clientOf(id)
  const differences = asked.flatMap((question, index) => {
    const { cell, purpose, host } = question
    const refusal = answers[index]
    if (isExpected(client, question, known) === (refusal === undefined)) return []
    return [`${cell.id} as ${purpose}, ${host}: ${refusal ?? 'accepted'}`]
  })
  assert.deepEqual(differences, [])
  assert.ok(answers.includes(undefined))
}
