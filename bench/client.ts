/**
 * Our client beside `undici.request`, Node's fetch, and aiohttp and requests of python3, where they are installed: what a
 * JSON GET over TLS costs with 1, 64 and 256 at once, how long the slowest take, and what 100,000 of them need in memory.
 *
 * Usage: node bench/client.ts [--json FILE]
 *
 * @module
 */
import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { checkBars, compare, saveResults } from './harness.ts'
import type { Listening } from './servers.ts'

const PYTHON = '/usr/bin/python3'
const OURS = 'countersign'
const UNDICI = 'undici request'
const FETCH = 'fetch of Node'
// Node's reader of TypeScript would count for 17 MB of what the process needs.
const JAVASCRIPT = stripTypeScriptTypes(
  readFileSync(new URL('client-subject.ts', import.meta.url), 'utf8'),
)

/** A client in a process of its own. */
class ClientProcess implements Disposable {
  readonly name: string
  readonly #child: ChildProcess
  readonly #answers: AsyncIterator<string>

  constructor(name: string, url: string, caFile: string, flags: readonly string[] = []) {
    this.name = name
    const python = name === 'aiohttp' || name === 'requests'
    this.#child = spawn(
      python ? PYTHON : process.execPath,
      [
        ...(python
          ? [fileURLToPath(new URL('client_subject.py', import.meta.url))]
          : [...flags, '--input-type=module', '--eval', JAVASCRIPT]),
        name,
        url,
        caFile,
      ],
      {
        // Where its imports are looked for.
        cwd: import.meta.dirname,
        stdio: ['pipe', 'pipe', 'inherit'],
        env: { PATH: process.env['PATH'], NODE_EXTRA_CA_CERTS: caFile },
      },
    )
    const { stdout } = this.#child
    if (stdout === null) throw new Error('the client has no output')
    this.#answers = createInterface({ input: stdout })[Symbol.asyncIterator]()
  }

  async ask(order: { calls: number; atOnce: number }): Promise<Record<string, number>> {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`)
    const { value } = await this.#answers.next()
    if (typeof value !== 'string') throw new Error(`${this.name} ended`)
    return JSON.parse(value)
  }

  [Symbol.dispose](): void {
    this.#child.kill()
  }
}

const folder = mkdtempSync(path.join(tmpdir(), 'bench-client-'))
const server = fork(fileURLToPath(new URL('client-server.ts', import.meta.url)), {
  execArgv: ['--disable-warning=ExperimentalWarning'],
})
try {
  const [listening]: Listening[] = await once(server, 'message')
  if (listening === undefined) throw new Error('the server did not say where it listens')
  const caFile = path.join(folder, 'ca.pem')
  writeFileSync(caFile, listening.ca)
  const url = `https://localhost:${listening.port}/`
  await measureAll(url, caFile)
} finally {
  server.kill()
  rmSync(folder, { recursive: true })
}
saveResults()

async function measureAll(url: string, caFile: string): Promise<void> {
  using stack = new DisposableStack()
  const python = ['aiohttp', 'requests'].filter((module) => hasPython(module))
  const start = (name: string): ClientProcess => stack.use(new ClientProcess(name, url, caFile))
  const clients = [UNDICI, OURS, FETCH, ...python].map((name) => start(name))
  for (const client of clients) {
    // V8 compiles on the way: what is measured has been running for a while.
    if (!python.includes(client.name)) await client.ask({ calls: 5000, atOnce: 64 })
  }
  for (const atOnce of [1, 64, 256]) {
    const comparison = await compare(
      `JSON GET, ${atOnce} at once, TLS 1.3, keep-alive`,
      "calls per second of the client's CPU",
      clients.map((client) => ({
        name: client.name,
        run: async () => {
          const calls = python.includes(client.name) ? 600 : 4000
          return calls / ((await client.ask({ calls, atOnce }))['cpu'] ?? Number.NaN)
        },
      })),
      9,
    )
    checkBars(comparison, [
      { subject: OURS, against: UNDICI, atLeast: 0.9 },
      { subject: OURS, against: FETCH, atLeast: 3.5 },
      ...python.map((against) => ({
        subject: OURS,
        against,
        atLeast: against === 'aiohttp' ? 5 : 12,
      })),
    ])
  }
  const slowest = await compare(
    'the same, 64 at once: the slowest of 100',
    'a second in its time',
    clients.slice(0, 2).map((client) => ({
      name: client.name,
      run: async () =>
        1000 / ((await client.ask({ calls: 4000, atOnce: 64 }))['p99'] ?? Number.NaN),
    })),
    15,
  )
  checkBars(slowest, [{ subject: OURS, against: UNDICI, atLeast: 1 / 1.2 }])
  // V8 gives its young generation 134 MB as soon as a program keeps allocating: only with less of it does a client's own need show.
  const lean = ['--max-semi-space-size=4']
  const gatherings = [
    { name: `${UNDICI}, nothing kept`, flags: [] },
    { name: 'gatherEach', flags: [] },
    { name: 'gather, as json', flags: [] },
    { name: 'gatherEach, small young generation', flags: lean },
    { name: 'gather, as json, small young generation', flags: lean },
  ].map(({ name, flags }) => ({
    name,
    run: async () => {
      using client = new ClientProcess(`memory of ${name}`, url, caFile, flags)
      const { rss = Number.NaN } = await client.ask({ calls: 100_000, atOnce: 64 })
      return (200 * 1024 * 1024) / rss
    },
  }))
  const memory = await compare(
    '100,000 calls, 64 at once',
    '200 MiB in the most memory of the process',
    [{ name: '200 MiB', run: () => 1 }, ...gatherings],
    1,
  )
  checkBars(
    memory,
    gatherings.slice(1).map(({ name }) => ({ subject: name, against: '200 MiB', atLeast: 1 })),
  )
}

function hasPython(module: string): boolean {
  const found = spawnSync(PYTHON, ['-c', `import ${module}`]).status === 0
  if (!found) console.log(`left out: ${module}, which ${PYTHON} does not have`)
  return found
}
