import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { Session } from '@countersign/client'
import {
  postgresForTests,
  runProgram,
  scrubProcess,
  skipWithoutPostgres,
  temporaryFolder,
} from '@countersign/testkit'
import { createRequest, PrivateKey } from '@countersign/x509'
import { addUser, PASSWORD, type RunningService, signIn, startUp } from './running-service.ts'

scrubProcess()

const LOGINS = 200
const ISSUES = 200

describe('kill -9 of a service during 200 logins and 200 issues', () => {
  it('loses nothing that was answered, on SQLite', { timeout: 180_000 }, async (t) => {
    await killedService(path.join(temporaryFolder(t), 'data'), [])
  })

  it('loses nothing that was answered, on PostgreSQL', {
    timeout: 180_000,
    skip: skipWithoutPostgres(),
  }, async (t) => {
    const postgres = await postgresForTests(t)
    if (postgres === undefined) return
    await killedService(path.join(temporaryFolder(t), 'data'), ['--database', postgres.url])
  })
})

/** What the service has answered, and so must still have after each kill. */
interface Answered {
  sessions: Session[]
  serials: string[]
}

async function killedService(data: string, args: readonly string[]): Promise<void> {
  const answered: Answered = { sessions: [], serials: [] }
  await using cleanup = new AsyncDisposableStack()
  let kills = 0
  let url = ''
  while (answered.sessions.length < LOGINS || answered.serials.length < ISSUES) {
    const listen = url === '' ? [] : ['--listen', `127.0.0.1:${new URL(url).port}`]
    await using service = await startUp(data, [...args, ...listen])
    ;({ url } = service)
    if (kills === 0) await addUser(data, 'ada', 'admin')
    const admin = await signIn(service, 'ada')
    cleanup.use(admin)
    answered.sessions.push(admin)
    const stop = new AbortController()
    const running = Promise.all([
      logIn(service, answered, stop.signal),
      issueAll(admin, answered, stop.signal),
    ])
    // Killed in the middle of whatever is under way, a little later each time.
    const quarter = (Math.min(kills + 1, 4) * (LOGINS + ISSUES)) / 4
    while (answered.sessions.length + answered.serials.length < quarter) await tick()
    if (kills < 3) {
      service.command.child.kill('SIGKILL')
      await service.command.ended
      kills++
    }
    stop.abort()
    await running
  }
  assert.equal(kills, 3)
  for (const session of answered.sessions) cleanup.use(session)
  await using service = await startUp(data, [...args, '--listen', `127.0.0.1:${new URL(url).port}`])
  assert.equal(service.setupCode, undefined)
  for (const session of answered.sessions) {
    const response = await session.get('/auth/session')
    assert.equal(response.status, 200, 'a session that was answered is gone')
    await response.bytes()
  }
  const { stdout, stderr, code } = await runProgram(['certs', '--data', data, '--json'])
  assert.equal(code, 0, stderr)
  const kept = new Set(JSON.parse(stdout).map((row: { serial: string }) => row.serial))
  for (const serial of answered.serials)
    assert.ok(kept.has(serial), `${serial} was answered and is gone`)
  assert.equal(new Set(answered.serials).size, answered.serials.length)
}

/** Signs in again and again until there are enough; a call that the kill cut off counts for nothing. */
async function logIn(
  service: RunningService,
  answered: Answered,
  signal: AbortSignal,
): Promise<void> {
  while (answered.sessions.length < LOGINS && !signal.aborted) {
    const session = new Session({ baseUrl: service.url, ca: service.roots })
    try {
      const response = await session.post('/login', {
        json: { username: 'ada', password: PASSWORD },
        signal,
      })
      await response.bytes()
      assert.equal(response.status, 200)
      answered.sessions.push(session)
    } catch (error) {
      await session[Symbol.asyncDispose]()
      if (error instanceof assert.AssertionError) throw error
    }
  }
}

async function issueAll(admin: Session, answered: Answered, signal: AbortSignal): Promise<void> {
  const key = PrivateKey.generateSync('p256')
  for (let n = 0; answered.serials.length < ISSUES && !signal.aborted; n++) {
    const csr = createRequest({
      key,
      subjectAltNames: [{ type: 'dns', value: `n${n}.corp.internal` }],
    })
    try {
      const response = await admin.post('/ca/certificates', { json: { csr: csr.pem }, signal })
      assert.equal(response.status, 201)
      answered.serials.push(await response.json(serialOf))
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
    }
  }
}

function serialOf(body: unknown): string {
  assert.ok(typeof body === 'object' && body !== null && 'serial' in body)
  assert.ok(typeof body.serial === 'string')
  return body.serial
}

async function tick(): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, 5)
  })
}
