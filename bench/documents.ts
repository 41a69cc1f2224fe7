/**
 * A JSON GET of the servers that the documents start with, Flask's own and gunicorn, against `serve()`: CPU time for each request, the
 * connections that each of them needs for it included.
 *
 * Usage: node bench/documents.ts [--json FILE]; needs Debian's python3-flask and gunicorn, without which a peer is left out by name
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { checkBars, compare, saveResults, type Subject } from './harness.ts'
import { makeIdentity } from './identity.ts'
import { openConnection, runConnection } from './servers.ts'

const PYTHON = '/usr/bin/python3'
const AT_ONCE = 16
const folder = mkdtempSync(path.join(tmpdir(), 'bench-documents-'))
const { ca, cert, key } = makeIdentity()
writeFileSync(path.join(folder, 'server.crt'), cert)
writeFileSync(path.join(folder, 'server.key'), key, { mode: 0o600 })
writeFileSync(
  path.join(folder, 'application.py'),
  `from flask import Flask, jsonify
app = Flask(__name__)
@app.get("/")
def hello():
    return jsonify(hello="world")
`,
)
writeFileSync(
  path.join(folder, 'simple.py'),
  `from werkzeug.serving import make_server
from application import app
server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=("server.crt", "server.key"))
print("listening on https://127.0.0.1:%d" % server.server_port, flush=True)
server.serve_forever()
`,
)

/** A server in a process of its own, with whatever processes it starts. */
class Program implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #port: number
  readonly #keepsAlive: boolean
  readonly #agent = new Agent({ ca })

  private constructor(child: ChildProcess, port: number, keepsAlive: boolean) {
    this.#keepsAlive = keepsAlive
    this.#child = child
    this.#port = port
  }

  /** Starts one that says where it listens: `https://127.0.0.1:PORT`, on either stream. */
  static async start(
    command: string,
    args: readonly string[],
    keepsAlive: boolean,
  ): Promise<Program> {
    const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
    const found = Promise.withResolvers<number>()
    child.once('exit', (code) => found.reject(new Error(`${command} ended with ${code}`)))
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        const port = /https:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1]
        if (port !== undefined) found.resolve(Number(port))
      })
    }
    return new Program(child, await found.promise, keepsAlive)
  }

  async requestsPerCpuSecond(requests: number): Promise<number> {
    const before = cpuSeconds(this.#child.pid)
    let left = requests
    const take = (): boolean => left-- > 0
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () =>
        this.#keepsAlive ? this.#askOnOne(take) : this.#askOnMany(take),
      ),
    )
    return requests / (cpuSeconds(this.#child.pid) - before)
  }

  /** On one connection, by a client that costs the machine less than what is measured. */
  async #askOnOne(take: () => boolean): Promise<void> {
    const socket = await openConnection({ port: this.#port, ca })
    await runConnection(socket, undefined, take)
    socket.destroy()
  }

  async #askOnMany(take: () => boolean): Promise<void> {
    while (take()) await this.#get()
  }

  async #get(): Promise<void> {
    const sent = request({
      host: '127.0.0.1',
      port: this.#port,
      servername: 'localhost',
      agent: this.#agent,
    })
    sent.end()
    const [response] = await once(sent, 'response')
    if (response.statusCode !== 200) throw new Error(`answered ${response.statusCode}`)
    response.resume()
    await once(response, 'end')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy()
    this.#child.kill()
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      await once(this.#child, 'exit')
    }
  }
}

/** CPU time of a process and of those it started, in ticks of a hundredth. */
function cpuSeconds(pid: number | undefined): number {
  let ticks = 0
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const fields = readFileSync(`/proc/${name}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? []
      if (Number(name) !== pid && Number(fields[1]) !== pid) continue
      ticks += Number(fields[11]) + Number(fields[12])
    } catch {
      // It ended meanwhile.
    }
  }
  return ticks / 100
}

function has(module: string): boolean {
  return spawnSync(PYTHON, ['-c', `import ${module}`]).status === 0
}

await using stack = new AsyncDisposableStack()
stack.defer(() => rmSync(folder, { recursive: true, force: true }))
const subjects: Subject[] = []
async function add(name: string, count: number, command: string, args: string[]): Promise<void> {
  // Flask's own server closes every connection behind its answer.
  const program = stack.use(await Program.start(command, args, name !== 'Flask run_simple'))
  await program.requestsPerCpuSecond(count)
  subjects.push({ name, run: async () => program.requestsPerCpuSecond(count) })
}

const ours = new URL('documents-subject.ts', import.meta.url).pathname
await add('serve, fetch handler', 30_000, process.execPath, [
  '--disable-warning=ExperimentalWarning',
  ours,
  folder,
])
if (has('flask')) await add('Flask run_simple', 400, PYTHON, ['simple.py'])
else console.log('Flask run_simple: left out, there is no flask here')
if (has('flask') && has('gunicorn')) {
  await add('gunicorn gthread', 3000, PYTHON, [
    '-m',
    'gunicorn',
    '--worker-class=gthread',
    '--threads=4',
    '--keep-alive=30',
    '--bind=127.0.0.1:0',
    '--certfile=server.crt',
    '--keyfile=server.key',
    'application:app',
  ])
} else console.log('gunicorn gthread: left out, there is no gunicorn here')

const comparison = await compare('JSON GET over TLS', 'requests per CPU second', subjects, 7)
const peers = new Set(subjects.map(({ name }) => name))
checkBars(
  comparison,
  [
    { subject: 'serve, fetch handler', against: 'Flask run_simple', atLeast: 30 },
    { subject: 'serve, fetch handler', against: 'gunicorn gthread', atLeast: 7 },
  ].filter(({ against }) => peers.has(against)),
)
saveResults()
