/**
 * The programs of the profile matrix, each asked about all certificates at once. Every answer is why a certificate was refused,
 * `undefined` where it was not.
 *
 * @module
 */
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import path from 'node:path'
import tls from 'node:tls'
import { fileURLToPath } from 'node:url'
import { runCommand, type TestBrowser } from '@countersign/testkit'
import { KEY_TYPES } from '@countersign/x509'
import { portOf } from './ocsp-server.ts'
import { type Cell, HOST, type Question } from './profile-matrix-cells.ts'

/** A certificate of the matrix as files. */
export interface CellFiles {
  readonly leaf: string
  /** Leaf and issuer. */
  readonly chain: string
  readonly key: string
}

/** The whole matrix as files. */
export interface MatrixFiles {
  readonly folder: string
  /** Of all authorities. */
  readonly roots: string
  readonly issuers: string
  rootOf(authority: string): string
  issuerOf(authority: string): string
  of(cell: Cell): CellFiles
  /** A P-256 certificate under the same authority, for the other side of a handshake. */
  partner(cell: Cell, profile: 'server' | 'client'): CellFiles
}

/** One for each question. */
export type Answers = readonly (string | undefined)[]

/** What a client says, and which types of keys it says it knows. */
export interface Judgement {
  readonly answers: Answers
  readonly known: readonly string[]
}

/** A handshake of Node with itself for each question, both sides verifying. */
export async function askNode(
  files: MatrixFiles,
  questions: readonly Question[],
): Promise<Judgement> {
  const answers: (string | undefined)[] = []
  for (const question of questions) answers.push(await shakeHands(files, question))
  return { answers, known: KEY_TYPES }
}

/** `openssl verify -x509_strict`: one run for servers, one for clients, one for another name. */
export async function askOpenssl(
  openssl: string,
  files: MatrixFiles,
  questions: readonly Question[],
): Promise<Judgement> {
  const said = new Map<Question, string | undefined>()
  const kinds = Map.groupBy(questions, ({ purpose, host }) =>
    purpose === 'client' ? '-purpose sslclient' : `-purpose sslserver -verify_hostname ${host}`,
  )
  for (const [flags, asked] of kinds) {
    const leaves = asked.map(({ cell }) => files.of(cell).leaf)
    const trust = ['-no-CApath', '-no-CAstore', '-CAfile', files.roots, '-untrusted', files.issuers]
    const strict = ['verify', '-x509_strict', ...flags.split(' '), ...trust, ...leaves]
    const { stdout, stderr } = await runCommand(openssl, strict)
    const accepted = new Set(stdout.split('\n'))
    for (const [index, question] of asked.entries()) {
      const isAccepted = accepted.has(`${leaves[index]}: OK`)
      said.set(question, isAccepted ? undefined : `refused: ${stderr.slice(0, 2000)}`)
    }
  }
  const { stdout: algorithms } = await runCommand(openssl, ['list', '-public-key-algorithms'])
  return { answers: questions.map((one) => said.get(one)), known: typesIn(algorithms) }
}

/** Handshakes in one Python, both sides strict. */
export async function askPython(
  python: string,
  files: MatrixFiles,
  questions: readonly Question[],
): Promise<Judgement> {
  const cases = questions.map(({ cell, purpose, host }) => {
    const own = files.of(cell)
    const server = purpose === 'server' ? own : files.partner(cell, 'server')
    const client = purpose === 'client' ? own : files.partner(cell, 'client')
    return JSON.stringify({
      server: server.chain,
      key: server.key,
      client: client.chain,
      clientKey: client.key,
      roots: files.roots,
      host,
    })
  })
  const answers = await askLines(python, [childFile('handshake.py')], cases)
  const { stdout } = await runCommand(python, [
    '-c',
    'import ssl; print(ssl.OPENSSL_VERSION_INFO >= (3, 5))',
  ])
  return { answers, known: stdout.trim() === 'True' ? KEY_TYPES : [] }
}

/** The trust managers of one Java. */
export async function askJava(
  java: string,
  files: MatrixFiles,
  questions: readonly Question[],
): Promise<Judgement> {
  const asked = questions.map(({ cell, purpose, host }) =>
    [files.of(cell).chain, files.roots, purpose, host].join(' '),
  )
  const types = KEY_TYPES.map((type) => type.toUpperCase())
  const lines = [...asked, ...types.map((type) => `knows ${type}`)]
  const all = await askLines(java, [childFile('Trust.java')], lines)
  const known = KEY_TYPES.filter((_, index) => all[asked.length + index] === undefined)
  return { answers: all.slice(0, asked.length), known }
}

/** One `certtool --verify` a question; they take milliseconds. */
export async function askGnutls(
  certtool: string,
  files: MatrixFiles,
  questions: readonly Question[],
): Promise<Judgement> {
  const answers: (string | undefined)[] = []
  for (const { cell, purpose, host } of questions) {
    const { code, stdout, stderr } = await runCommand(certtool, [
      '--verify',
      `--load-ca-certificate=${files.roots}`,
      `--infile=${files.of(cell).chain}`,
      ...(purpose === 'server'
        ? ['--verify-purpose', '1.3.6.1.5.5.7.3.1', '--verify-hostname', host]
        : ['--verify-purpose', '1.3.6.1.5.5.7.3.2']),
    ])
    const isTrusted = code === 0 && stdout.includes('Verified. The certificate is trusted.')
    answers.push(isTrusted ? undefined : `${stdout}${stderr}`)
  }
  const { stdout } = await runCommand(path.join(path.dirname(certtool), 'gnutls-cli'), ['--list'])
  return { answers, known: typesIn(stdout) }
}

/** NSS: `certutil` stores the roots it can, `vfychain` judges; it knows no names of hosts. */
export async function askNss(
  { certutil, vfychain }: { certutil: string; vfychain: string },
  files: MatrixFiles,
  questions: readonly Question[],
): Promise<Judgement> {
  const folder = path.join(files.folder, 'nss')
  mkdirSync(folder)
  const database = ['-d', `sql:${folder}`]
  await runCommand(certutil, [...database, '-N', '--empty-password'])
  const known: string[] = []
  for (const type of KEY_TYPES) {
    const root = ['-A', '-n', type, '-t', 'CT,,', '-a', '-i', files.rootOf(type)]
    if ((await runCommand(certutil, [...database, ...root])).code === 0) known.push(type)
  }
  const answers: (string | undefined)[] = []
  for (const { cell, purpose } of questions) {
    const usage = ['-u', purpose === 'server' ? '1' : '0']
    const chain = ['-a', files.of(cell).leaf, '-a', files.issuerOf(cell.authority)]
    const { stdout, stderr } = await runCommand(vfychain, [...database, ...usage, ...chain])
    // Its exit code is 1 either way.
    const said = stdout + stderr
    answers.push(said.includes('Chain is good') ? undefined : said)
  }
  return { answers, known }
}

/** One page that fetches from one server, which shows the certificate of the name that it is asked for. */
export async function askChromium(
  { browser }: TestBrowser,
  files: MatrixFiles,
  questions: readonly Question[],
): Promise<Judgement> {
  const contexts = new Map(
    questions.map(({ cell }) => {
      return [cell.id, tls.createSecureContext(identityOf(files.of(cell)))]
    }),
  )
  const server = createServer(
    { SNICallback: (name, done) => done(null, contexts.get(name.split('.')[0] ?? '')) },
    (_, response) => response.end('welcome'),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const port = portOf(server.address())
    const urls = questions.map(({ cell, host }) => {
      const domain = host === HOST ? 'corp.internal' : 'other.internal'
      return `https://${cell.id}.${domain}:${port}/`
    })
    const page = await browser.newPage()
    await page.goto(urls[0] ?? '')
    const answers = await page.evaluate<(string | null)[]>(
      `(${FETCH_ALL})(${JSON.stringify(urls)})`,
    )
    return { answers: answers.map((answer) => answer ?? undefined), known: [] }
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

/** Runs in the page. What fails for another reason, as where the machine's network changes meanwhile, is asked again. */
const FETCH_ALL = `async (urls) => {
  const answers = []
  for (const url of urls) {
    let answer = null
    for (let attempt = 0; attempt < 3; attempt++) {
      answer = await fetch(url, { mode: 'no-cors', cache: 'no-store' }).then(() => null, String)
      if (answer === null) break
    }
    answers.push(answer)
  }
  return answers
}`

function identityOf({ chain, key }: CellFiles): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(chain), key: readFileSync(key) }
}

/** Why one of the two sides refused. */
async function shakeHands(files: MatrixFiles, question: Question): Promise<string | undefined> {
  const { cell, purpose, host } = question
  const own = files.of(cell)
  const ca = readFileSync(files.roots)
  const server = tls.createServer({
    ...identityOf(purpose === 'server' ? own : files.partner(cell, 'server')),
    ca,
    requestCert: true,
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const refused = ({ message }: Error): void => resolve(message)
  server.once('tlsClientError', refused)
  // The server has the last word: a client of TLS 1.3 is through before its certificate was looked at.
  server.once('secureConnection', () => resolve(undefined))
  const client = tls.connect({
    ...identityOf(purpose === 'client' ? own : files.partner(cell, 'client')),
    ca,
    host: '127.0.0.1',
    port: portOf(server.address()),
    servername: host,
  })
  client.once('error', refused)
  try {
    return await promise
  } finally {
    client.destroy()
    server.close()
  }
}

/** A line of answer for each line of input. */
async function askLines(
  program: string,
  args: readonly string[],
  lines: readonly string[],
): Promise<Answers> {
  const input = `${lines.join('\n')}\n`
  const { code, stdout, stderr } = await runCommand(program, args, { input, timeoutMs: 120_000 })
  const answers = stdout.trimEnd().split('\n')
  if (code !== 0 || answers.length !== lines.length) {
    throw new Error(`${path.basename(program)} ended with ${code}: ${stderr}`)
  }
  return answers.map((answer) => (answer === 'OK' ? undefined : answer))
}

function typesIn(text: string): string[] {
  const words = text.toLowerCase()
  return KEY_TYPES.filter((type) => words.includes(type))
}

function childFile(name: string): string {
  return fileURLToPath(new URL(`child/${name}`, import.meta.url))
}
