/**
 * What a server needs before anybody comes and for each idle connection, and how soon `countersign serve --adhoc` answers.
 *
 * Usage: node bench/serve-idle.ts [--json FILE], after `npm run build`
 *
 * @module
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { connect, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { checkBars, compare, saveResults } from './harness.ts'
import { makeIdentity } from './identity.ts'
import type { Listening } from './servers.ts'

const CONNECTIONS = 500

/** Bytes at rest, and for each idle TLS connection. */
async function memoryOf(name: string, folder: string): Promise<{ base: number; idle: number }> {
  const file = fileURLToPath(new URL('serve-idle-subject.ts', import.meta.url))
  const child = fork(file, [name, folder], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  const [listening]: Listening[] = await once(child, 'message')
  if (listening === undefined) throw new Error(`${name} does not listen`)
  const { port, ca } = listening
  const base = residentBytes(child)
  const sockets: TLSSocket[] = []
  for (let count = 0; count < CONNECTIONS; count++) {
    const socket = connect({ host: '127.0.0.1', port, ca, servername: 'localhost' })
    await once(socket, 'secureConnect')
    sockets.push(socket)
  }
  const idle = (residentBytes(child) - base) / CONNECTIONS
  for (const socket of sockets) socket.destroy()
  child.kill()
  await once(child, 'exit')
  return { base, idle }
}

function residentBytes({ pid }: ChildProcess): number {
  const pages = readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]
  return Number(pages) * 4096
}

/** Starts per second of a program that prints its port as `https://…:PORT`, to the end of its first answer. */
async function startsPerSecond(args: readonly string[], cwd: string): Promise<number> {
  const since = performance.now()
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const texts: string[] = []
  child.stderr.setEncoding('utf8').on('data', (text: string) => texts.push(text))
  const [line = ''] = await once(createInterface({ input: child.stdout }), 'line')
  const port = Number(/https:\/\/[^: ]+:(\d+)/.exec(String(line))?.[1])
  let ca = readFileSync(path.join(cwd, 'ca.crt'), 'utf8')
  if (args.includes('--adhoc')) {
    while (!texts.join('').includes('-----END CERTIFICATE-----')) await once(child.stderr, 'data')
    ca = texts.join('')
  }
  const request = get({
    host: '127.0.0.1',
    port,
    path: '/',
    ca,
    servername: 'localhost',
    agent: false,
  })
  const [response] = await once(request, 'response')
  response.resume()
  await once(response, 'end')
  const rate = 1000 / (performance.now() - since)
  child.kill()
  await once(child, 'exit')
  return rate
}

const folder = mkdtempSync(path.join(tmpdir(), 'bench-start-'))
try {
  const { ca, cert, key } = makeIdentity()
  writeFileSync(path.join(folder, 'ca.crt'), ca)
  writeFileSync(path.join(folder, 'index.html'), 'hello')
  writeFileSync(
    path.join(folder, 'bare.mjs'),
    `import { createServer } from 'node:https'
const server = createServer(${JSON.stringify({ cert, key })}, (_request, response) => response.end('hello'))
server.listen(0, '127.0.0.1', () => console.log('https://127.0.0.1:' + server.address().port))`,
  )
  writeFileSync(path.join(folder, 'server.crt'), cert)
  writeFileSync(path.join(folder, 'server.key'), key, { mode: 0o600 })
  const memory = new Map<string, { base: number; idle: number }>()
  for (const name of ['bare', 'ours']) memory.set(name, await memoryOf(name, folder))
  const [bare, ours] = [...memory.values()]
  for (const [name, { base, idle }] of memory) {
    console.log(
      `${name}: ${(base / 2 ** 20).toFixed(1)} MiB at rest, ${(idle / 1024).toFixed(1)} KiB for each idle connection`,
    )
  }
  if (bare !== undefined && ours !== undefined) {
    console.log(
      `  bar: idle connection <= 1.15x node:https: ${(ours.idle / bare.idle).toFixed(2)}x`,
    )
    console.log(`  bar: at rest <= 1.3x node:https: ${(ours.base / bare.base).toFixed(2)}x`)
  }

  const program = fileURLToPath(
    new URL('../packages/countersign/bin/countersign.js', import.meta.url),
  )
  const adhoc = [program, 'serve', '.', '--adhoc', '--listen', '127.0.0.1:0']
  const comparison = await compare(
    'start to the end of the first answer',
    'starts per second',
    [
      { name: 'node:https', run: async () => startsPerSecond(['bare.mjs'], folder) },
      { name: 'countersign serve --adhoc', run: async () => startsPerSecond(adhoc, folder) },
    ],
    9,
  )
  checkBars(comparison, [
    { subject: 'countersign serve --adhoc', against: 'node:https', atLeast: 1 / 1.6 },
  ])
} finally {
  rmSync(folder, { recursive: true, force: true })
}
saveResults()
