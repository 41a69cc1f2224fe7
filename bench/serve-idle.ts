/**
 * What a server needs before anybody comes and for each idle connection. How soon it answers is measured by `start.ts`.
 *
 * Usage: node bench/serve-idle.ts, after `npm run build`
 *
 * @module
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
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

const folder = mkdtempSync(path.join(tmpdir(), 'bench-start-'))
try {
  const { ca, cert, key } = makeIdentity()
  writeFileSync(path.join(folder, 'ca.crt'), ca)
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
} finally {
  rmSync(folder, { recursive: true, force: true })
}
