/**
 * `countersign up` in several processes: what each knows, all know; what is done once is done once.
 */
import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { request as sendPlain } from 'node:http'
import { Agent, request, type RequestOptions } from 'node:https'
import path from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Authority, openAuthority } from '@countersign/authority'
import { ensurePrivateFolder } from '@countersign/core'
import { openStore, type Store } from '@countersign/store'
import { OcspRequest, OcspResponse, PrivateKey } from '@countersign/x509'
import {
  type RunningCommand,
  runCommand,
  runProgram,
  scrubProcess,
  startProgram,
  temporaryFolder,
} from '@countersign/testkit'
import { updateConfiguration } from '../src/configuration.ts'
import { dataFolder } from '../src/data-folder.ts'
import type { ServiceUser } from '../src/serve/privileges.ts'
import { FolderClaim } from '../src/service/take-folder.ts'
import { PASSWORD } from './running-service.ts'

scrubProcess()

const folder = temporaryFolder(after)
const data = dataFolder(path.join(folder, 'data'))
const log = path.join(folder, 'access.log')
const PASSPHRASE = 'the passphrase that nobody else may read'

/** What `up --json` says. */
interface Said {
  url: string
  setupCode: string
  workers: number[]
}

async function start(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ command: RunningCommand; said: Said }> {
  const command = startProgram(['up', '--listen', '127.0.0.1:0', '--json', ...args], {
    cwd: folder,
    env,
  })
  const [, json = ''] = await command.waitForOutput(/^(\{.*\})$/ms)
  return { command, said: JSON.parse(json) }
}

describe('up with workers', () => {
  let command: RunningCommand
  let said: Said
  let store: Store
  /** Another process, as a command beside the service is. */
  let other: Authority
  let cookie = ''

  before(async () => {
    ensurePrivateFolder(data.path)
    await updateConfiguration(data, { workers: 2 })
    const file = path.join(folder, 'passphrase')
    writeFileSync(file, `${PASSPHRASE}\n`, { mode: 0o600 })
    ;({ command, said } = await start(['--data', data.path, '--access-log', log], {
      COUNTERSIGN_PASSPHRASE_FILE: file,
    }))
    // From here on only those that were told it know it.
    rmSync(file)
    store = await openStore(`sqlite:${data.database}`)
    other = await openAuthority({ store, folder: data.path, passphrase: PASSPHRASE })
  })
  after(async () => {
    await store.close()
    await command[Symbol.asyncDispose]()
  })

  /** One request on a connection of its own: the workers take them in turn. */
  async function ask(
    route: string,
    { body, ...options }: RequestOptions & { body?: object } = {},
  ): Promise<{ status: number; body: string; headers: Record<string, unknown> }> {
    const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<typeof ask>>>()
    const outgoing = request(
      new URL(route, said.url),
      {
        agent: false,
        family: 4,
        ca: readFileSync(data.roots),
        method: body === undefined ? 'GET' : 'POST',
        headers: { 'content-type': 'application/json' },
        ...options,
      },
      (incoming) => {
        text(incoming).then(
          (answer) =>
            resolve({
              status: incoming.statusCode ?? 0,
              body: answer,
              headers: { ...incoming.headers },
            }),
          reject,
        )
      },
    )
    outgoing.once('error', reject)
    outgoing.end(body && JSON.stringify(body))
    return await promise
  }

  /** The same so often that each of the workers has answered. */
  async function askBoth(...given: Parameters<typeof ask>): Promise<number[]> {
    const statuses: number[] = []
    for (let count = 0; count < 4; count++) statuses.push((await ask(...given)).status)
    return statuses
  }

  /** Of the page of numbers, which has those of the authority too. */
  async function requestsCounted(): Promise<number> {
    const { body } = await ask('/metrics')
    const [, count] =
      /^countersign_requests_total\{method="GET",status="200"\} (\d+)$/m.exec(body) ?? []
    assert.match(body, /^countersign_certificate_days_left\{certificate="server"\} [67]\./m)
    assert.match(body, /^countersign_issued_certificates\{profile="server",state="valid"\} 1$/m)
    return Number(count ?? 0)
  }

  async function identity(name: string): Promise<{ cert: string; key: string; serial: string }> {
    const key = await PrivateKey.generate('p256')
    const { certificate, chain } = await other.issue({
      names: [`spiffe://${other.trustDomain}/${name}`],
      publicKey: key.publicKey,
      profile: 'client',
      requester: 'a test',
    })
    const cert = chain.map(({ pem }) => pem).join('')
    return { cert, key: key.toPem(), serial: certificate.serialNumber }
  }

  it('serves from the processes that it names, and adds up what they count', async () => {
    assert.equal(new Set(said.workers).size, 2)
    const counted = await requestsCounted()
    assert.deepEqual(await askBoth('/healthz'), all(200))
    // An answer is counted once it has been written, which its reader need not wait for.
    await until(async () => (await requestsCounted()) >= counted + 5, 'every answer is counted')
  })

  it('hands the passphrase to nobody who could read it', {
    skip: process.platform !== 'linux' && 'needs Linux',
  }, () => {
    assert.equal(existsSync(path.join(data.path, 'passphrase')), false)
    for (const pid of said.workers) {
      const open =
        readFileSync(`/proc/${pid}/environ`, 'utf8') + readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      assert.match(open, /up/)
      assert.equal(open.includes(PASSPHRASE), false)
    }
  })

  it('signs in every worker, with the passphrase that only the first process has read', async () => {
    const { serial } = await identity('ocsp')
    const certificate = await other.certificate(serial)
    assert.ok(certificate !== undefined)
    const { der } = OcspRequest.build({ about: [{ certificate, issuer: other.issuer }] })
    for (let count = 0; count < 2; count++) {
      const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
      const { port } = new URL(said.url)
      const headers = { 'content-type': 'application/ocsp-request' }
      const options = { host: '127.0.0.1', port, path: '/ocsp', method: 'POST', headers }
      const outgoing = sendPlain({ ...options, agent: false }, (incoming) => {
        buffer(incoming).then(resolve, reject)
      })
      outgoing.once('error', reject)
      outgoing.end(der)
      assert.equal(OcspResponse.parse(await promise).status, 'successful')
    }
  })

  it('takes the one-time code once, and knows who signed in wherever they come next', async () => {
    const { setupCode: code } = said
    const both = await Promise.all(
      ['ada', 'eve'].map(async (username) =>
        ask('/auth/setup', { body: { code, username, password: PASSWORD } }),
      ),
    )
    const made = both.filter(({ status }) => status === 200)
    assert.equal(made.length, 1)
    assert.deepEqual(JSON.parse((await ask('/auth/setup')).body), { needed: false })
    cookie = String(made[0]?.headers['set-cookie']).split(';')[0] ?? ''
    assert.deepEqual(await askBoth('/auth/session', { headers: { cookie } }), all(200))
  })

  it('ends a session in every worker', async () => {
    const out = await ask('/auth/logout', {
      body: {},
      headers: { cookie, 'content-type': 'application/json' },
    })
    assert.ok(out.status < 300, out.body)
    await until(
      async () =>
        (await askBoth('/auth/session', { headers: { cookie } })).every((status) => status === 401),
      'the session has ended everywhere',
    )
    assert.deepEqual(await askBoth('/auth/session', { headers: { cookie } }), all(401))
  })

  it('takes a nonce of ACME once, whoever made it', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { kty, crv, x, y } = publicKey.export({ format: 'jwk' })
    const url = `${said.url}/acme/new-account`
    const account = async (nonce: unknown): ReturnType<typeof ask> => {
      const head = encode({ alg: 'ES256', jwk: { kty, crv, x, y }, nonce, url })
      const payload = encode({ termsOfServiceAgreed: true })
      const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
      const signature = sign('sha256', Buffer.from(`${head}.${payload}`), key).toString('base64url')
      const body = { protected: head, payload, signature }
      return await ask(url, { body, headers: { 'content-type': 'application/jose+json' } })
    }
    const { headers } = await ask('/acme/new-nonce', { method: 'HEAD' })
    const nonce = headers['replay-nonce']
    const both = await Promise.all([account(nonce), account(nonce)])
    assert.deepEqual(new Set(both.map(({ status }) => status)), new Set([201, 400]))
    assert.match(both.find(({ status }) => status === 400)?.body ?? '', /badNonce/)
  })

  it('judges a client of the next issuer by its list at once', async () => {
    await other.roll('issuer')
    const ada = await identity('ada')
    assert.deepEqual(await askBoth('/healthz', ada), all(200))
  })

  it('refuses a revoked client on new and on open connections of every worker', async () => {
    const bob = await identity('bob')
    const agents = [1, 2].map(() => new Agent({ keepAlive: true, maxSockets: 1 }))
    for (const agent of agents) assert.equal((await ask('/healthz', { ...bob, agent })).status, 200)
    await other.revoke(bob.serial, 'keyCompromise')
    await until(async () => {
      for (const agent of agents) {
        // Kept open by its use.
        if ((await ask('/healthz', { ...bob, agent })).status !== 403) return false
      }
      return (await askBoth('/healthz', bob)).every((status) => status === 403)
    }, 'bob is refused everywhere')
    assert.match((await ask('/healthz', bob)).body, /"code":"revoked"/)
    assert.deepEqual(await askBoth('/healthz', await identity('carol')), all(200))
    for (const agent of agents) agent.destroy()
  })

  it('opens the access log again in every worker', async () => {
    renameSync(log, `${log}.1`)
    command.child.kill('SIGHUP')
    await command.waitForOutput(/SIGHUP: certificate, roots and lists are those of now/)
    await until(async () => existsSync(log), 'there is a new log')
    // Each says so with its next answer.
    await until(async () => {
      const logged = linesOf(log)
      await askBoth('/healthz')
      return linesOf(log) >= logged + 4
    }, 'both workers write to it')
  })

  it('counts the failures of one name together, and writes one chain of all events', async () => {
    const tries = Array.from({ length: 12 }, async () =>
      ask('/login', { body: { username: 'mallory', password: 'wrong wrong wrong wrong' } }),
    )
    const statuses = (await Promise.all(tries)).map(({ status }) => status)
    const refused = (status: number): number => statuses.filter((one) => one === status).length
    assert.deepEqual([refused(401), refused(429)], [10, 2])
    const audit = await runProgram(['audit', 'verify', '--data', data.path])
    assert.equal(audit.code, 0, audit.stderr)
  })

  it('puts another worker in the place of one that died, which is told everything again', async () => {
    const [victim = 0] = said.workers
    process.kill(victim, 'SIGKILL')
    await command.waitForOutput(/worker \d+ ended \(SIGKILL\): replaced/)
    const ada = await identity('ada')
    assert.deepEqual(await askBoth('/healthz', ada), all(200))
  })

  it('answers what is under way and ends with 0', async () => {
    assert.equal(await command.stop('SIGTERM'), 0)
    assert.equal(existsSync(data.service), false)
    assert.match(command.stderr(), /SIGTERM: answering what is under way/)
    assert.doesNotMatch(command.stderr(), /was not answered/)
  })
})

type Refusal = readonly [args: readonly string[], code: number, message: RegExp]

describe('up, asked for what is none', () => {
  it('refuses it before anything is made', async () => {
    const isRoot = process.geteuid?.() === 0
    const place = path.join(folder, 'nothing')
    const user: Refusal = isRoot
      ? [['--user', 'no-such-user-here'], 2, /there is no user no-such-user-here/]
      : [['--user', 'nobody'], 1, /only root can become another user/]
    const refusals: Refusal[] = [
      [['--workers', '0'], 2, /whole number from 1 to 128/],
      [['--workers', 'x'], 2, /whole number from 1 to 128/],
      user,
    ]
    for (const [args, code, message] of refusals) {
      const refused = await runProgram(['up', '--data', place, ...args])
      assert.equal(refused.code, code, refused.stderr)
      assert.match(refused.stderr, message)
    }
    assert.equal(existsSync(place), false)
  })
})

describe('up with workers that cannot start', () => {
  it('ends, and says why', async () => {
    const nowhere = path.join(folder, 'missing', 'access.log')
    const { code, stderr } = await runProgram([
      'up',
      '--data',
      path.join(folder, 'of-no-use'),
      '--listen',
      '127.0.0.1:0',
      '--workers',
      '2',
      '--access-log',
      nowhere,
    ])
    assert.equal(code, 1, stderr)
    assert.match(stderr, /missing\/access\.log/)
    assert.match(stderr, /a worker ended before it served/)
  })
})

describe('the data folder of up --user', {
  skip: process.platform === 'win32' && 'needs users',
}, () => {
  const uid = process.getuid?.() ?? 0
  const mine = { name: 'mine', uid, gid: 0, groups: [] }
  const theirs = { ...mine, name: 'theirs', uid: uid + 1 }
  const place = dataFolder(path.join(folder, 'of-whom'))
  const claim = (user: ServiceUser): FolderClaim => new FolderClaim(place, user)

  it('has to be there, and to belong to that user with all that is in it', () => {
    const missing = {
      code: 'folder-of-others',
      hint: /^make it: install -d -m 700 -o mine \S+of-whom$/,
    }
    assert.throws(() => claim(mine), missing)
    mkdirSync(place.path, { mode: 0o700 })
    writeFileSync(place.configuration, '')
    assert.throws(() => claim(theirs), {
      code: 'folder-of-others',
      message: /of-whom does not belong to theirs$/,
      hint: /chown -R theirs: /,
    })
    assert.doesNotThrow(() => claim(mine))
  })

  it('holds nothing that another has made', {
    skip: process.geteuid?.() !== 0 && 'needs root',
  }, () => {
    chownSync(place.configuration, uid + 1, -1)
    assert.throws(() => claim(mine), { message: /countersign\.toml does not belong to mine$/ })
  })
})

/** The user that every Linux has and that owns nothing; a worker of its reads what it runs as that user. */
const SKIP =
  process.platform !== 'linux'
    ? 'needs Linux'
    : process.geteuid?.() !== 0
      ? 'needs root'
      : isReachable(import.meta.dirname)
        ? false
        : 'needs a tree that every user can read'

/** Whether it and every folder above it let others through. */
function isReachable(folderPath: string): boolean {
  const above = path.dirname(folderPath)
  return (statSync(folderPath).mode & 0o001) !== 0 && (above === folderPath || isReachable(above))
}

describe('up --user', { skip: SKIP }, () => {
  const place = path.join(folder, 'of-nobody')
  let uid = 0

  before(async () => {
    uid = Number((await runCommand('id', ['-u', 'nobody'])).stdout)
    chmodSync(folder, 0o755)
    mkdirSync(place, { mode: 0o700 })
    chownSync(place, uid, -1)
  })

  it('runs every process as that user, and writes nothing as another', async () => {
    for (const workers of [1, 2]) {
      const args = ['--data', place, '--user', 'nobody', '--workers', String(workers)]
      const { command: running, said } = await start(args)
      await using command = running
      const pids = [command.child.pid ?? 0, ...(said.workers ?? [])]
      assert.equal(pids.length, workers === 1 ? 1 : 3)
      for (const pid of pids) assert.equal(idsOf(pid), `${uid} ${uid} ${uid} ${uid}`)
      for (const name of readdirSync(place)) {
        assert.equal(statSync(path.join(place, name)).uid, uid, name)
      }
      assert.equal(await command.stop(), 0)
    }
  })
})

async function until(what: () => Promise<boolean>, claim: string): Promise<void> {
  const end = performance.now() + 30_000
  while (!(await what())) {
    assert.ok(performance.now() < end, `not within 30 s: ${claim}`)
    await sleep(20)
  }
}

/** The real, effective, saved and file-system ids of a process. */
function idsOf(pid: number): string {
  const [, ids = ''] = /^Uid:\s*(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return ids.replaceAll(/\s+/g, ' ')
}

/** What each of four requests is answered. */
function all(status: number): number[] {
  return [status, status, status, status]
}

function linesOf(file: string): number {
  return readFileSync(file, 'utf8').split('\n').length
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
