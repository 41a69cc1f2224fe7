/**
 * How soon the program is done: `countersign issue` against the least that Node can do, and `countersign serve --adhoc` to the end
 * of its first answer against bare node:https and Flask, by the clock and by the CPU time of the processes.
 *
 * Usage: node bench/start.ts [--rounds N] [--json FILE], after `npm run build`
 *
 * @module
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { scrubProcess } from '@countersign/testkit'
import { checkBars, compare, saveResults, type Subject } from './harness.ts'
import { makeIdentity } from './identity.ts'

const LEAST_NAME = 'node: a key, a signature, two files'
const LEAST = `
import { generateKeyPairSync, sign } from 'node:crypto'
import { writeFileSync } from 'node:fs'
const { privateKey, publicKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'der' },
})
writeFileSync('least.key', privateKey, { mode: 0o600 })
writeFileSync('least.crt', sign('sha256', publicKey, privateKey))
`
/** What `ssl_context='adhoc'` does, with the certificate shown to the client. */
const FLASK = `
import sys
from cryptography.hazmat.primitives import serialization
from flask import Flask
from werkzeug.serving import generate_adhoc_ssl_pair, make_server
app = Flask(__name__)
app.add_url_rule('/', 'hello', lambda: 'hello')
cert, key = generate_adhoc_ssl_pair('localhost')
pem = cert.public_bytes(serialization.Encoding.PEM)
with open('flask.crt', 'wb') as file:
    file.write(pem)
with open('flask.key', 'wb') as file:
    file.write(key.private_bytes(serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()))
server = make_server('127.0.0.1', 0, app, threaded=True, ssl_context=('flask.crt', 'flask.key'))
print(pem.decode(), file=sys.stderr, flush=True)
print('https://127.0.0.1:%d' % server.server_port, flush=True)
server.serve_forever()
`
const PYTHON = '/usr/bin/python3'
/** As often is a process run for one measurement: its CPU time is told in steps of ten milliseconds. */
const TIMES = 5
const ADHOC = 'countersign serve --adhoc'
const FLASK_NAME = 'flask with a certificate made on the way'
const MEASURES: readonly Measure[] = [
  { name: 'by the clock', now: () => performance.now() / 1000 },
  { name: 'by CPU time', now: childrenCpuSeconds },
]

scrubProcess()
const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '21' }, json: { type: 'string' } },
})
const rounds = Number(values.rounds)
const folder = mkdtempSync(path.join(tmpdir(), 'bench-start-'))
const program = path.resolve('packages/countersign/bin/countersign.js')
// What the program keeps between runs lies here, and is of these runs.
process.env['HOME'] = folder

console.log(`load: ${readFileSync('/proc/loadavg', 'latin1').trim()}`)
try {
  await issuing()
  await serving()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(`load: ${readFileSync('/proc/loadavg', 'latin1').trim()}`)
saveResults()

/** One key and one certificate a process. */
async function issuing(): Promise<void> {
  const least = path.join(folder, 'least.mjs')
  writeFileSync(least, LEAST)
  const data = path.join(folder, 'data')
  const out = path.join(folder, 'out')
  mkdirSync(out)
  runToEnd([program, 'init', '--data', data])
  const issue = [program, 'issue', 'a.corp.internal', '--force', '--data', data, '--out', out]
  runToEnd(issue)
  const programs: Program[] = [
    { name: LEAST_NAME, work: () => runToEnd([least]) },
    { name: 'countersign issue', work: () => runToEnd(issue) },
    {
      name: 'countersign show',
      work: () => runToEnd([program, 'show', `${out}/a.corp.internal.crt`]),
    },
    { name: 'node: nothing', work: () => runToEnd(['-e', '0']) },
  ]
  for (const measure of MEASURES) {
    const title = `one certificate, ${measure.name}`
    const comparison = await compare(title, 'per second', subjectsOf(programs, measure), rounds)
    checkBars(comparison, [{ subject: 'countersign issue', against: LEAST_NAME, atLeast: 1 / 1.3 }])
  }
}

/** A server with a certificate of its own, from its start to the end of the first answer. */
async function serving(): Promise<void> {
  const { ca, cert, key } = makeIdentity()
  writeFileSync(path.join(folder, 'index.html'), 'hello')
  writeFileSync(
    path.join(folder, 'bare.mjs'),
    `import { createServer } from 'node:https'
const server = createServer(${JSON.stringify({ cert, key })}, (_request, response) => response.end('hello'))
console.error(${JSON.stringify(ca)})
server.listen(0, '127.0.0.1', () => console.log('https://127.0.0.1:' + server.address().port))`,
  )
  writeFileSync(path.join(folder, 'flask_adhoc.py'), FLASK)
  const adhoc = [program, 'serve', '.', '--adhoc', '--listen', '127.0.0.1:0']
  const programs: Program[] = [
    { name: 'node:https', work: () => startToAnswer(process.execPath, ['bare.mjs']) },
    { name: ADHOC, work: () => startToAnswer(process.execPath, adhoc) },
  ]
  // Ended in peace, it keeps what the next ones start with.
  await startToAnswer(process.execPath, adhoc, 'SIGTERM')
  const hasFlask = spawnSync(PYTHON, ['-c', 'import flask, cryptography']).status === 0
  if (hasFlask) {
    programs.push({ name: FLASK_NAME, work: () => startToAnswer(PYTHON, ['flask_adhoc.py']) })
  } else console.log('flask: left out, there is none here')
  for (const measure of MEASURES) {
    const title = `start to the end of the first answer, ${measure.name}`
    const comparison = await compare(title, 'per second', subjectsOf(programs, measure), rounds)
    checkBars(comparison, [
      { subject: ADHOC, against: 'node:https', atLeast: 1 / 1.6 },
      ...(hasFlask ? [{ subject: ADHOC, against: FLASK_NAME, atLeast: 4 }] : []),
    ])
  }
}

interface Program {
  readonly name: string
  readonly work: () => void | Promise<void>
}

interface Measure {
  readonly name: string
  /** Seconds that have passed. */
  readonly now: () => number
}

function subjectsOf(programs: readonly Program[], { now }: Measure): Subject[] {
  return programs.map(({ name, work }) => ({
    name,
    run: async () => {
      const since = now()
      for (let index = 0; index < TIMES; index++) await work()
      return TIMES / (now() - since)
    },
  }))
}

/** CPU time of the children of this process that have ended. */
function childrenCpuSeconds(): number {
  // The name in brackets may hold blanks.
  const fields = readFileSync('/proc/self/stat', 'latin1').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[13]) + Number(fields[14])) / 100
}

function runToEnd(args: readonly string[]): void {
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
}

/** Starts a program that prints its root on stderr and its port as `https://…:PORT`, asks it once, and ends it. */
async function startToAnswer(
  command: string,
  args: readonly string[],
  end: NodeJS.Signals = 'SIGKILL',
): Promise<void> {
  const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const texts: string[] = []
  child.stderr.setEncoding('utf8').on('data', (text: string) => texts.push(text))
  const [line = ''] = await once(createInterface({ input: child.stdout }), 'line')
  const port = Number(/https:\/\/[^: ]+:(\d+)/.exec(String(line))?.[1])
  while (!texts.join('').includes('-----END CERTIFICATE-----')) await once(child.stderr, 'data')
  const request = get({
    host: '127.0.0.1',
    port,
    path: '/',
    ca: texts.join(''),
    servername: 'localhost',
    agent: false,
  })
  const [response] = await once(request, 'response')
  response.resume()
  await once(response, 'end')
  child.kill(end)
  await once(child, 'exit')
}
