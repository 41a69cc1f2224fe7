/**
 * What the tests with ACME clients of others share: the service with a name server, addresses on which every client has the ports of
 * validation to itself, and the clients' surroundings.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { runCommand, startDnsServer, type TestDnsServer } from '@countersign/testkit'
import { dataFolder } from '../src/data-folder.ts'
import { type Service, startService } from '../src/service/service.ts'

/**
 * The ports that http-01 and tls-alpn-01 ask. They are free on an address that nobody else has: 127.0.0.0/8 has 16 million of them on
 * Linux, and what is drawn here is not among the ports that systems hand out.
 */
export const HTTP_PORT = 27_480
export const TLS_PORT = 27_443

/** A service whose validation goes to addresses of this machine. */
export interface AcmeMachine extends AsyncDisposable {
  readonly service: Service
  readonly dns: TestDnsServer
  /** Where a hook leaves the TXT record of a name: a file with the name. */
  readonly records: string
  readonly roots: string
  readonly directory: string
  /** How many good nonces were refused: a fifth is. */
  refused: number
  /** Gives a name an address of its own. */
  place(name: string): string
}

/** Starts it; it refuses a fifth of the good nonces. */
export async function startAcmeMachine(folder: string): Promise<AcmeMachine> {
  const records = path.join(folder, 'records')
  mkdirSync(records)
  await using undo = new AsyncDisposableStack()
  const dns = undo.use(
    await startDnsServer((name) => {
      const file = path.join(records, name)
      return existsSync(file) ? [readFileSync(file, 'utf8').trim()] : []
    }),
  )
  let count = 0
  const machine = { refused: 0 }
  const data = dataFolder(path.join(folder, 'data'))
  const service = undo.use(
    await startService({
      data,
      listen: '127.0.0.1:0',
      note: () => {},
      acme: {
        httpPort: HTTP_PORT,
        tlsPort: TLS_PORT,
        resolver: dns.address,
        refuseNonce: () => {
          if (++count % 5 !== 3) return false
          machine.refused++
          return true
        },
      },
    }),
  )
  const owned = undo.move()
  return Object.assign(machine, {
    service,
    dns,
    records,
    roots: data.roots,
    directory: `${service.url}/acme/directory`,
    place(name: string) {
      const address = ownAddress()
      dns.set(name, 'A', address)
      return address
    },
    [Symbol.asyncDispose]: async () => owned.disposeAsync(),
  })
}

/** An address of this machine that nobody else has. */
export function ownAddress(): string {
  const [a = 0, b = 0, c = 0] = randomBytes(3)
  return `127.${a}.${b}.${(c % 250) + 2}`
}

/** A shell script that a client calls. */
export function writeHook(folder: string, name: string, ...lines: readonly string[]): string {
  const file = path.join(folder, name)
  writeFileSync(file, ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 })
  return file
}

/** Where Debian's programs find whom to trust. */
export const SYSTEM_ROOTS = '/etc/ssl/certs/ca-certificates.crt'

/** Whether a command can run with other files in place of the system's: needs namespaces, and their use by this user. */
export async function canMount(): Promise<boolean> {
  if (process.platform !== 'linux' || !existsSync(SYSTEM_ROOTS)) return false
  try {
    const { code } = await runCommand('unshare', ['-r', '-m', 'true'])
    return code === 0
  } catch {
    return false
  }
}
