/** `countersign roll`, and what the other commands and the service make of it. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { initAuthority, openAuthority } from '@countersign/authority'
import { get, Session } from '@countersign/client'
import { ensurePrivateFolder } from '@countersign/core'
import { openStore } from '@countersign/store'
import { runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'
import { Certificate, PrivateKey, verifyChain } from '@countersign/x509'
import { type DataFolder, dataFolder } from '../src/data-folder.ts'
import { startService } from '../src/service/service.ts'

scrubProcess()

const DAY_MS = 86_400_000

describe('countersign roll', () => {
  it('goes from the next root over its status to the end of the former one', async (t) => {
    const data = await newData(t)
    const out = path.join(data.path, 'out')
    assert.equal(
      (await roll(data, 'root', '--status')).stdout,
      'the root has not been rolled over\n',
    )
    await refused(data, ['root', '--retire'], 'rollover-missing')
    await program('issue', 'api.corp.internal', '--data', data.path, '--out', out)
    const made = await roll(data, 'root', '--json')
    const status: unknown = JSON.parse(made.stdout)
    assert.partialDeepStrictEqual(status, {
      kind: 'root',
      step: 'published',
      notRenewedCount: 1,
      old: { live: 1 },
      new: { live: 0 },
    })
    assert.equal(certificates(data.roots).length, 2)
    await refused(data, ['root'], 'rollover-underway')
    const told = await roll(data, 'root', '--status')
    assert.match(told.stdout, /^published .* UTC\nold  .* Root .*  1 certificate, the last until /)
    assert.match(
      told.stdout,
      /not renewed under the new one yet: 1\n.*\napi\.corp\.internal +server/,
    )
    await refused(data, ['root', '--retire'], 'rollover-in-use', /one certificate depends on root-/)

    const file = path.join(out, 'api.corp.internal.crt')
    await program('renew', file, '--data', data.path)
    const [leaf, ...intermediates] = certificates(file)
    assert.equal(intermediates.length, 2)
    // What clients check it against has followed.
    const roots = certificates(path.join(out, 'roots.pem'))
    assert.equal(roots.length, 2)
    for (const root of roots) {
      assert.equal(verifyChain({ leaf: leaf ?? root, intermediates, roots: [root] }).ok, true)
    }
    assert.doesNotMatch((await roll(data, 'root', '--status')).stdout, /not renewed/)

    const retired = await roll(data, 'root', '--retire', '--force')
    assert.match(retired.stdout, /^retired .* Root .*; its key is deleted here\n$/)
    assert.match(retired.stderr, /hand it out again, without the former root/)
    assert.equal(existsSync(path.join(data.path, 'root.key')), false)
    assert.equal(certificates(data.roots).length, 1)
    // A root that is retired is no root that would be lost.
    await program('issue', 'b.corp.internal', '--data', data.path, '--out', out)
    assert.equal(certificates(path.join(out, 'roots.pem')).length, 1)
  })

  it('takes the key of the root from another medium, and asks nobody for its passphrase without a terminal', async (t) => {
    const data = await newData(t)
    const medium = path.join(data.path, 'medium')
    mkdirSync(medium)
    const key = path.join(medium, 'root.key')
    renameSync(path.join(data.path, 'root.key'), key)
    await refused(data, ['issuer'], 'key-missing', /the key of CN=.* is not in/)
    await refused(data, ['root', '--root-key', path.join(medium, 'nothing')], 'file-unreadable')
    const passphrase = path.join(medium, 'passphrase')
    writeFileSync(passphrase, 'another one\n')
    const wrong = ['--root-key', key, '--passphrase-file', passphrase]
    await refused(data, ['issuer', ...wrong], 'file-unreadable', /the passphrase is wrong/)
    const renewed = await roll(data, 'issuer', '--same-key', '--root-key', key)
    assert.match(renewed.stdout, /^renewed .* Issuer .*, valid until /)
    assert.match((await roll(data, 'issuer', '--root-key', key)).stdout, /^made .* Issuer /)
  })

  it('refuses what makes no sense', async (t) => {
    const data = await newData(t)
    for (const args of [
      ['leaf'],
      ['root', '--status', '--retire'],
      ['root', '--same-key'],
      ['root', '--force'],
      ['issuer', '--passphrase-file', 'x'],
    ]) {
      const { code } = await runProgram(['roll', ...args, '--data', data.path])
      assert.equal(code, 2, args.join(' '))
    }
  })
})

describe('the service, while roots and issuers change', () => {
  it('sends the chain of now and hands out both roots, without a restart', async (t) => {
    const data = dataFolder(path.join(temporaryFolder(t), 'data'))
    await using service = await startService({
      data,
      listen: '127.0.0.1:0',
      note: () => {},
      renewalCheckMs: 20,
    })
    const [old] = certificates(data.roots)
    assert.ok(old !== undefined)
    // Another process, as countersign roll would be.
    await using store = await openStore(`sqlite:${data.database}`)
    const other = await openAuthority({ store, folder: data.path })
    await other.roll('root')
    const [next] = other.roots
    assert.ok(next !== undefined)
    await presents(service.url, old, other.issuer)
    // Clients of either root alone.
    for (const root of [old, next]) {
      const response = await get(`${service.url}/roots.pem`, { ca: root.pem })
      assert.equal(await response.text(), other.rootsPem)
    }
    const intermediates = await get(`${service.url}/intermediates.pem`, { ca: next.pem })
    assert.equal(await intermediates.text(), other.chain.map(({ pem }) => pem).join(''))
    const cross = other.chain[1]
    await other.retire('root', { force: true })
    await presents(service.url, next, other.issuer, cross)
    // A session of its own, so that the connection is a new one.
    await using late = new Session({ ca: old.pem })
    await assert.rejects(late.get(`${service.url}/healthz`), { name: 'TrustError' })
  })

  it('judges a client of the next issuer by its list at once, however seldom it looks', async (t) => {
    const data = dataFolder(path.join(temporaryFolder(t), 'data'))
    await using service = await startService({
      data,
      listen: '127.0.0.1:0',
      note: () => {},
      renewalCheckMs: 3_600_000,
    })
    await using store = await openStore(`sqlite:${data.database}`)
    const other = await openAuthority({ store, folder: data.path })
    await other.roll('issuer')
    const identity = async (name: string): Promise<{ cert: string; key: string }> => {
      const key = await PrivateKey.generate('p256')
      const { chain, certificate } = await other.issue({
        names: [`spiffe://${other.trustDomain}/${name}`],
        publicKey: key.publicKey,
        profile: 'client',
        requester: 'a test',
      })
      if (name === 'bob') await other.revoke(certificate.serialNumber)
      return { cert: chain.map(({ pem }) => pem).join(''), key: key.toPem() }
    }
    for (const [name, status] of [
      // His list is the first one: whoever is on it is not let in for want of another.
      ['bob', 403],
      ['ada', 200],
    ] as const) {
      await using session = new Session({ ca: data.roots, ...(await identity(name)) })
      const response = await session.get(`${service.url}/healthz`)
      assert.equal(response.status, status, await response.text())
    }
  })

  it('says once what to do where its issuer is due and the key of the root elsewhere, and renews it once the key is back', async (t) => {
    const data = dataFolder(path.join(temporaryFolder(t), 'data'))
    ensurePrivateFolder(data.path)
    {
      await using store = await openStore(`sqlite:${data.database}`)
      const clock = (): Date => new Date(Date.now() - 300 * DAY_MS)
      await initAuthority({ store, folder: data.path, clock })
    }
    const key = path.join(data.path, 'root.key')
    renameSync(key, `${data.path}.key`)
    const notes: string[] = []
    await using service = await startService({
      data,
      listen: '127.0.0.1:0',
      note: (text) => notes.push(text),
      renewalCheckMs: 20,
    })
    const before = service.authority.issuer
    // As often as it looks, it says so once.
    const looks = t.mock.method(service.authority, 'upkeep')
    await until(() => looks.mock.callCount() >= 3, 'it looks again')
    const [first, ...others] = notes
    assert.match(
      first ?? '',
      /Issuer .* ends at .*, is due, and the key of its root is not here: countersign roll issuer --same-key --root-key FILE --data /,
    )
    assert.deepEqual(others, [])
    renameSync(`${data.path}.key`, key)
    const [root] = certificates(data.roots)
    await until(() => notes.length > 1, 'it tells what it has done')
    assert.ok(!service.authority.issuer.equals(before))
    assert.ok(service.authority.issuer.publicKey.equals(before.publicKey))
    await presents(service.url, root ?? before, service.authority.issuer)
    assert.match(notes[1] ?? '', /^renewed the issuer's certificate, valid until /)
  })
})

async function until(what: () => boolean, claim: string): Promise<void> {
  const end = performance.now() + 60_000
  while (!what()) {
    assert.ok(performance.now() < end, `not within 60 s: ${claim}`)
    await sleep(20)
  }
}

/** Waits until the service sends this certificate of the issuer, and does not send another one. */
async function presents(
  url: string,
  root: Certificate,
  issuer: Certificate,
  without?: Certificate,
): Promise<void> {
  const deadline = Date.now() + 60_000
  for (;;) {
    await using session = new Session({ ca: root.pem })
    const response = await session.get(`${url}/healthz`)
    await response.bytes()
    const { chain } = response.peer
    const sent = new Set(chain.map(({ fingerprint }) => fingerprint))
    if (sent.has(issuer.fingerprint) && !sent.has(without?.fingerprint ?? '')) return
    assert.ok(Date.now() < deadline, 'the service still sends the chain of before')
    await sleep(20)
  }
}

async function newData(scope: Parameters<typeof temporaryFolder>[0]): Promise<DataFolder> {
  const data = dataFolder(path.join(temporaryFolder(scope), 'data'))
  ensurePrivateFolder(data.path)
  await using store = await openStore(`sqlite:${data.database}`)
  await initAuthority({ store, folder: data.path })
  return data
}

async function roll(data: DataFolder, ...args: readonly string[]): ReturnType<typeof program> {
  return await program('roll', ...args, '--data', data.path)
}

async function program(...args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await runProgram([...args])
  if (code !== 0) throw new Error(stderr)
  return { stdout, stderr }
}

/** The command is refused: its code, and what it says. */
async function refused(
  data: DataFolder,
  args: readonly string[],
  code: string,
  message = /./,
): Promise<void> {
  const result = await runProgram(['roll', ...args, '--data', data.path, '--json'])
  assert.equal(result.code, 1, result.stderr)
  const error: unknown = JSON.parse(result.stdout)
  assert.partialDeepStrictEqual(error, { ok: false, code })
  assert.match(result.stdout, message)
}

function certificates(file: string): Certificate[] {
  return Certificate.parseAll(readFileSync(file), file)
}
