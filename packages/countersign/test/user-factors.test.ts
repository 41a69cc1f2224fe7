/**
 * Certificates that people get and renew themselves, beside a running service; and factors that were lost.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { Auth } from '@countersign/auth'
import type { Authority } from '@countersign/authority'
import { Session } from '@countersign/client'
import { runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'
import { Certificate, createRequest, PrivateKey } from '@countersign/x509'
import { dataFolder } from '../src/data-folder.ts'
import { withAuthorityAndUsers } from '../src/open-data.ts'
import { PASSWORD, type RunningService, signIn, startUp } from './running-service.ts'

scrubProcess()

const folder = temporaryFolder(after)
let service: RunningService

before(async () => {
  service = await startUp(path.join(folder, 'data'))
  await beside(async (_authority, auth) => {
    for (const name of ['ada', 'eve']) await auth.users.add({ name, password: PASSWORD })
    await auth.users.add({ name: 'robot', kind: 'service' })
  })
})
after(async () => {
  await service[Symbol.asyncDispose]()
})

/** Work on the same folder, in this process: a command of the program costs a second. */
async function beside<T>(work: (authority: Authority, auth: Auth) => Promise<T>): Promise<T> {
  return await withAuthorityAndUsers(dataFolder(service.data), work)
}

const run = async (...args: string[]): ReturnType<typeof runProgram> =>
  await runProgram([...args, '--data', service.data])

/** From another machine: there is no data folder, only the roots. */
const there = async (...args: string[]): ReturnType<typeof runProgram> =>
  await runProgram([...args, '--from', service.url, '--ca', service.roots], {
    env: { COUNTERSIGN_DATA: path.join(folder, 'none') },
  })

interface Files {
  cert: string
  key: string
}

/** Whom the service sees behind a certificate, or the code of its refusal. */
async function callerBy({ cert, key }: Files): Promise<string> {
  await using session = new Session({ ca: service.roots, cert, key })
  const answer: unknown = await (await session.get(`${service.url}/auth/session`)).json()
  const text = JSON.stringify(answer)
  return /"via":"mtls"/.test(text)
    ? (/"name":"(\w+)"/.exec(text)?.[1] ?? '')
    : (/"code":"([\w-]+)"/.exec(text)?.[1] ?? text)
}

/** Asks until the answer is one of these. */
async function until(what: () => Promise<string>, wanted: readonly string[]): Promise<void> {
  const end = performance.now() + 30_000
  for (let seen = await what(); !wanted.includes(seen); seen = await what()) {
    assert.ok(performance.now() < end, `still ${seen} after 30 s`)
    await wait(50)
  }
}

/** A certificate for a key that was made here, by `POST /auth/factors`. */
async function certify(
  session: Session,
  name: string,
  more: object = {},
): Promise<Files & { id: string }> {
  const key = await PrivateKey.generate('p256')
  const csr = createRequest({
    key,
    subjectAltNames: [{ type: 'uri', value: 'spiffe://countersign.internal/root' }],
  }).pem
  const response = await session.post('/auth/factors', {
    json: { type: 'client_cert', csr, ...more },
  })
  const text = await response.text()
  assert.equal(response.status, 201, text)
  const { id, chain } = JSON.parse(text)
  const files = { cert: path.join(folder, `${name}.crt`), key: path.join(folder, `${name}.key`) }
  writeFileSync(files.cert, chain)
  writeFileSync(files.key, key.toPem(), { mode: 0o600 })
  return { id, ...files }
}

function leafOf({ cert }: Files): Certificate {
  const [leaf] = Certificate.parseAll(readFileSync(cert, 'utf8'))
  assert.ok(leaf)
  return leaf
}

describe('a certificate by signing request', () => {
  it('lets its owner in under their own name, until the factor is removed', async () => {
    await using session = await signIn(service, 'ada')
    const files = await certify(session, 'csr', { label: 'laptop' })
    const leaf = leafOf(files)
    const [name, ...others] = leaf.subjectAltNames
    assert.ok(name?.type === 'uri' && name.value.endsWith('/ada') && others.length === 0)
    assert.equal(await callerBy(files), 'ada')
    const removed = await session.del(`/auth/factors/${files.id}`)
    assert.equal(removed.status, 204)
    // The row has ended, then the list reaches the server.
    await until(async () => await callerBy(files), ['revoked'])
    const entry = await beside(async (authority) => await authority.find(leaf.serialNumber))
    assert.ok(entry?.revokedAt)
  })

  it('is refused where no proof is fresh enough, and where the policy has no rule', async () => {
    await using nobody = new Session({ baseUrl: service.url, ca: service.roots })
    const json = { type: 'client_cert', csr: 'x' }
    assert.equal((await nobody.post('/auth/factors', { json })).status, 401)
    await using session = await signIn(service, 'ada')
    const unreadable = await session.post('/auth/factors', { json })
    assert.equal(unreadable.status, 422)
    const key = await PrivateKey.generate('p256')
    const csr = createRequest({ key, subjectAltNames: [] }).pem
    const long = await session.post('/auth/factors', {
      json: { type: 'client_cert', csr, days: 3000 },
    })
    const refusal = await long.text()
    assert.equal(long.status, 403, refusal)
    assert.match(refusal, /certificate-refused.*3000 days/)
  })
})

describe('renew, of a certificate that is somebody’s', () => {
  it('registers the new one here and from another machine, for the same key and another', async () => {
    await using session = await signIn(service, 'ada')
    const files = await certify(session, 'renewed', { label: 'laptop' })
    const first = leafOf(files)
    const here = await run('renew', files.cert, '--rekey')
    assert.equal(here.code, 0, here.stderr)
    const second = leafOf(files)
    assert.ok(!second.publicKey.equals(first.publicKey))
    assert.equal(await callerBy(files), 'ada')
    const away = await there('renew', files.cert)
    assert.equal(away.code, 0, away.stderr)
    const third = leafOf(files)
    assert.notEqual(third.serialNumber, second.serialNumber)
    assert.equal(await callerBy(files), 'ada')
    const listed = await beside(async (_authority, auth) => await auth.certificates.list('ada'))
    for (const { serialNumber } of [first, second, third]) {
      assert.equal(listed.find(({ serial }) => serial === serialNumber)?.label, 'laptop')
    }

    // A disabled user gets no other, and an enabled one does again.
    await beside(async (_authority, auth) => auth.users.disable('ada'))
    const disabled = await there('renew', files.cert)
    assert.equal(disabled.code, 4)
    assert.match(disabled.stderr, /is not let in any more/)
    const disabledHere = await run('renew', files.cert)
    assert.equal(disabledHere.code, 1)
    assert.match(disabledHere.stderr, /is not let in any more/)
    assert.equal(leafOf(files).serialNumber, third.serialNumber)
    await beside(async (_authority, auth) => auth.users.enable('ada'))

    // The first ends, and what came of it.
    await beside(async (_authority, auth) => auth.certificates.revoke(first.fingerprint))
    await until(async () => await callerBy(files), ['revoked'])
    await assert.rejects(
      beside(async (authority) => authority.renew(leafOf(files).fingerprint, { requester: 'ada' })),
      { code: 'certificate-revoked' },
    )
  })
})

describe('user factors', () => {
  it('says what there is, resets what was lost, and names what is not there', async () => {
    await using session = await signIn(service, 'eve')
    const made = await session.post('/auth/factors', { json: { type: 'recovery' } })
    assert.equal(made.status, 201)
    const listed = await run('user', 'factors', 'eve')
    assert.match(
      listed.stdout,
      /^ID +TYPE +LABEL[\s\S]*recovery +recovery +recovery codes, 10 left/,
    )
    const reset = await run('user', 'factors', 'eve', '--reset')
    assert.equal(reset.code, 0, reset.stderr)
    assert.match(reset.stderr, /every session of eve has ended/)
    // What another process has ended, the service notices within two seconds.
    const login = async (): Promise<string> => {
      const answer = await session.get('/auth/session')
      await answer.bytes()
      return String(answer.status)
    }
    await until(login, ['401'])
    const unknown = await run('user', 'factors', 'eve', '--remove', 'recovery')
    assert.match(unknown.stderr, /eve has no factor recovery[\s\S]*user factors eve/)
  })

  it('leaves a service its lack of a password', async () => {
    const reset = await run('user', 'reset', 'robot')
    assert.equal(reset.code, 1)
    assert.match(reset.stderr, /robot is a service, which has no password[\s\S]*token create robot/)
  })
})
