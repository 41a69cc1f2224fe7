import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  outsidePython,
  runCommand,
  scrubProcess,
  skipWithout,
  skipWithoutPython,
  temporaryFolder,
} from '@countersign/testkit'
import type { Explanation } from '@countersign/tls'
import { verifyChain } from '@countersign/x509'
import { explainSource } from '../src/explain-source.ts'
import { dataFolder } from '../src/data-folder.ts'
import { explanationText } from '../src/explanation-text.ts'
import { authorityRows } from './explain-grid-authorities.ts'
import { chainRows } from './explain-grid-chains.ts'
import { nameRows } from './explain-grid-names.ts'
import { CALLERS, OWNERS, ownAuthority, type Row } from './explain-grid-row.ts'
import { serverRows } from './explain-grid-servers.ts'
import { httpsOf } from './explain-servers.ts'

scrubProcess()

const folder = temporaryFolder(after)
const own = await ownAuthority(path.join(folder, 'own'), 'localhost')
const constrained = await ownAuthority(
  path.join(folder, 'constrained'),
  'api.corp.internal',
  '--constrain',
  '.corp.internal',
)
/** What owners' commands have made so far. */
const MADE = new Map<string, Promise<Made>>()
const bin = writeProgram()
const ROWS = [
  ...chainRows(own),
  ...authorityRows(own),
  ...nameRows(own, constrained),
  ...serverRows(own, folder),
]

describe('the grid of explain', { concurrency: 4 }, () => {
  for (const [index, row] of ROWS.entries()) {
    const files = filesOf(row, index)
    const skip = row.needs === undefined ? false : skipWithout(row.needs)
    it(`${row.what}: ${row.code ?? 'trusted'}`, { skip }, async () => {
      await using server = await row.start()
      const explanation = await explain(row, files, server.port)
      const text = explanationText(explanation)
      assert.equal(explanation.code, row.code, text)
      assert.equal(explanation.ok, row.code === undefined, text)
      for (const words of row.says ?? []) assert.match(text, words)
      assertFitsPage(text)
      await pasteForCaller(row, explanation, files, server.port)
      await pasteForOwner(row, explanation, files)
    })
  }
})

describe('the grid of explain beside others', () => {
  const chains = ROWS.entries()
    .filter(([, { chain, code }]) => chain !== undefined && code !== 'server-refused-client-cert')
    .toArray()

  it('the profile openssl says of every chain what is expected', () => {
    const wrong: string[] = []
    for (const [index, row] of chains) {
      const { name, host = 'localhost' } = row
      const wanted = name ?? host
      const [leaf, ...intermediates] = (row.chain ?? []).map(({ certificate }) => certificate)
      assert.ok(leaf)
      const verdict = verifyChain({
        leaf,
        intermediates,
        roots: row.roots.map(({ certificate }) => certificate),
        name: isIP(wanted) === 0 ? { dns: wanted } : { ip: wanted },
        crls: row.crls,
        profile: 'openssl',
      })
      const said = verdict.ok ? 'accepted' : `${verdict.code}: ${verdict.message}`
      if (verdict.ok !== isAcceptedByOpenssl(row)) wrong.push(`${index}. ${row.what}: ${said}`)
    }
    assert.deepEqual(wrong, [])
  })

  it('openssl says the same', { skip: skipWithout('openssl') }, async () => {
    const wrong: string[] = []
    const queue = chains.values()
    const ask = async (): Promise<void> => {
      for (const [index, row] of queue) {
        const { sent, leaf, roots, crls } = filesOf(row, index)
        const wanted = row.name ?? row.host ?? 'localhost'
        const name = isIP(wanted) === 0 ? '-verify_hostname' : '-verify_ip'
        const lists = crls === undefined ? [] : ['-crl_check_all', '-CRLfile', crls]
        const trust = ['-CAfile', roots, '-no-CApath', '-no-CAstore', '-untrusted', sent]
        const checks = ['-purpose', 'sslserver', '-auth_level', '2', name, wanted]
        const args = ['verify', ...trust, ...checks, ...lists, leaf]
        const { code, stdout, stderr } = await runCommand('openssl', args)
        const said = `${index}. ${row.what}: ${stdout}${stderr}`
        if ((code === 0) !== isAcceptedByOpenssl(row)) wrong.push(said)
      }
    }
    await Promise.all([ask(), ask(), ask(), ask()])
    assert.deepEqual(wrong, [])
  })

  it('python3 says the same', { skip: skipWithoutPython() }, async () => {
    await using stack = new AsyncDisposableStack()
    const targets = []
    for (const [index, row] of chains) {
      if (row.needs !== undefined) continue
      const { port } = stack.use(await row.start())
      const { roots, crls, client } = filesOf(row, index)
      const name = row.name ?? row.host ?? 'localhost'
      targets.push({ index, port, roots, name, crls: crls ?? null, client: client ?? null })
    }
    const input = JSON.stringify(targets)
    const python = outsidePython()
    assert.ok(python !== undefined)
    const { code, stdout, stderr } = await runCommand(python, ['-c', PYTHON], {
      input,
      timeoutMs: 120_000,
    })
    assert.equal(code, 0, stderr)
    const answers: { index: number; said: string | null }[] = JSON.parse(stdout)
    assert.equal(answers.length, targets.length)
    const wrong: string[] = []
    for (const { index, said } of answers) {
      const row = ROWS[index]
      assert.ok(row !== undefined)
      const expected = row.python === undefined && isAcceptedByOpenssl(row)
      if ((said === null) !== expected) wrong.push(`${index}. ${row.what}: ${said}`)
    }
    assert.deepEqual(wrong, [])
  })
})

/** A folder with the program from source under its name. */
function writeProgram(): string {
  const into = path.join(folder, 'bin')
  mkdirSync(into)
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const line = `exec '${process.execPath}' --conditions=@countersign/source '${main}' "$@"`
  writeFileSync(path.join(into, 'countersign'), `#!/bin/sh\n${line}\n`, { mode: 0o755 })
  return into
}

/** Where the files of a row are. */
interface RowFiles {
  roots: string
  /** The chain as it is sent, and its leaf alone. */
  sent: string
  leaf: string
  crls: string | undefined
  /** Our own certificate with its key. */
  client: string | undefined
  /** Where commands are pasted. */
  work: string
}

function filesOf(row: Row, index: number): RowFiles {
  const home = path.join(folder, `row-${index}`)
  const work = path.join(home, 'work')
  const write = (name: string, text: string): string => {
    const file = path.join(home, name)
    writeFileSync(file, text, { mode: 0o600 })
    return file
  }
  mkdirSync(work, { recursive: true })
  const chain = row.chain ?? []
  return {
    work,
    roots: write('roots.pem', pem(row.roots)),
    sent: write('sent.pem', pem(chain)),
    leaf: write('leaf.pem', pem(chain.slice(0, 1))),
    crls: row.crls === undefined ? undefined : write('crls.pem', row.crls),
    client:
      row.client === undefined
        ? undefined
        : write('client.pem', pem(row.client) + (row.client[0]?.key.toPem() ?? '')),
  }
}

function pem(holders: Row['roots']): string {
  return holders.map(({ certificate }) => certificate.pem).join('')
}

function explain(row: Row, { roots, crls, client }: RowFiles, port: number): Promise<Explanation> {
  return explainSource(
    `https://${row.host ?? 'localhost'}:${port}/`,
    {
      ca: [roots],
      name: row.name,
      crl: crls === undefined ? undefined : [crls],
      cert: client,
      // Long enough for a connection on a busy machine, and then it waits to the end.
      timeout: row.code === 'handshake-timeout' ? 5000 : 20_000,
    },
    dataFolder(row.data ?? own.folder),
  )
}

function isAcceptedByOpenssl({ code, openssl }: Row): boolean {
  return openssl === undefined ? code === undefined : openssl === 'accepts'
}

/** Nothing but a command is longer than a line, and nothing says that one could do without verification. */
function assertFitsPage(text: string): void {
  for (const line of text.split('\n')) {
    if (!line.startsWith('    countersign ')) assert.ok(line.length <= 80, line)
  }
  assert.doesNotMatch(text, /--verify no|rejectUnauthorized|insecure|undefined|\[object/i)
}

/** Whatever command is printed is pasted; where none is promised, none is printed. */
async function pasteForCaller(
  row: Row,
  explanation: Explanation,
  { work }: RowFiles,
  port: number,
): Promise<void> {
  const promise = row.caller ?? CALLERS.get(row.code ?? '') ?? 'none'
  const command = explanation.fixes.caller?.command
  assert.equal(command !== undefined, promise !== 'none', explanationText(explanation))
  if (command === undefined) return
  const { code, stdout, stderr } = await paste(command, work, row.data)
  const said = `${command}\n${stdout}${stderr}`
  if (promise === 'trusted') {
    assert.equal(code, 0, said)
    assert.match(stdout, /^(?:trusted|plain)$/m, said)
  }
  if (promise === 'shows') assert.notEqual(stdout, '', said)
  if (promise === 'pins') await assertTrusted(row, port, [path.join(work, 'server.pem')], said)
}

async function pasteForOwner(
  row: Row,
  explanation: Explanation,
  { roots }: RowFiles,
): Promise<void> {
  const promise = row.owner ?? OWNERS.get(row.code ?? '') ?? 'none'
  const command = explanation.fixes.owner?.command
  assert.equal(command !== undefined, promise !== 'none', explanationText(explanation))
  if (command === undefined) return
  const made = await madeBy(command, row.data)
  await using server = await httpsOf(made.cert, made.key)
  const trusted = promise === 'anew' ? [roots, made.roots] : [roots]
  await assertTrusted(row, server.port, trusted, command)
}

async function assertTrusted(row: Row, port: number, ca: string[], said: string): Promise<void> {
  const url = `https://${row.host ?? 'localhost'}:${port}/`
  const flags = { ca, name: row.name, timeout: 20_000 }
  const explanation = await explainSource(url, flags, dataFolder(row.data ?? own.folder))
  assert.equal(explanation.ok, true, `${said}\n${explanationText(explanation)}`)
}

/** What a command of an owner makes. */
interface Made {
  cert: string
  key: string
  /** The root that it was issued under. */
  roots: string
}

/** Many rows have the same way out: a command that was pasted before has made what it makes. */
function madeBy(command: string, data?: string): Promise<Made> {
  const known = MADE.get(`${data} ${command}`)
  if (known !== undefined) return known
  const making = make(command, path.join(folder, `made-${MADE.size}`), data)
  MADE.set(`${data} ${command}`, making)
  return making
}

async function make(command: string, work: string, data?: string): Promise<Made> {
  mkdirSync(work)
  const { code, stdout, stderr } = await paste(command, work, data)
  assert.equal(code, 0, `${command}\n${stdout}${stderr}`)
  const names = readdirSync(work)
  const read = (end: string): string => {
    const name = names.find((one) => one.endsWith(end))
    assert.ok(name !== undefined, `${command} has made ${names.join(', ')}`)
    return readFileSync(path.join(work, name), 'utf8')
  }
  return { cert: read('.crt'), key: read('.key'), roots: path.join(work, 'roots.pem') }
}

/** Runs a line in a shell where `countersign` is the program from source, with a data folder. */
function paste(
  command: string,
  cwd: string,
  data: string = own.folder,
): ReturnType<typeof runCommand> {
  return runCommand('/bin/sh', ['-c', command], {
    cwd,
    timeoutMs: 120_000,
    env: {
      HOME: cwd,
      COUNTERSIGN_DATA: data,
      PATH: `${bin}${path.delimiter}${process.env['PATH'] ?? ''}`,
    },
  })
}

const PYTHON = `
import json, socket, ssl, sys
answers = []
for row in json.load(sys.stdin):
    context = ssl.create_default_context(cafile=row['roots'])
    context.verify_flags &= ~(0x80000 | 0x20)  # partial chains, and what is strict from 3.13 on
    context.set_ciphers('DEFAULT:@SECLEVEL=2')
    if row['crls']:
        context.load_verify_locations(row['crls'])
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    if row['client']:
        context.load_cert_chain(row['client'])
    said = None
    try:
        with socket.create_connection(('127.0.0.1', row['port']), 20) as plain:
            with context.wrap_socket(plain, server_hostname=row['name']):
                pass
    except ssl.SSLCertVerificationError as error:
        said = error.verify_message
    answers.append({'index': row['index'], 'said': said})
print(json.dumps(answers))
`
