/** An issuer's key on another machine: two folders, mutual TLS between them. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import type { RemoteSigner } from '@countersign/authority'
import { Session } from '@countersign/client'
import { runProgram, scrubProcess } from '@countersign/testkit'
import { CertificateRevocationList, PrivateKey, verifyChain } from '@countersign/x509'
import { dataFolder } from '../src/data-folder.ts'
import { startService } from '../src/service/service.ts'
import { writeSignerSettings } from '../src/signer/settings.ts'
import { issue, makeWorld } from './signer-world.ts'

scrubProcess()

describe('a signer on another machine', () => {
  for (const keyType of ['p256', 'ed25519', 'ml-dsa-65'] as const) {
    it(`signs certificates and lists with a key of type ${keyType}, and records each`, async (t) => {
      const world = await makeWorld(t, keyType)
      await using signer = await world.start()
      await using remote = world.connect(signer.url)
      const authority = await world.open(remote.remoteSigner)
      const issued = await issue(authority, 'api.corp.internal')
      const [leaf, ...intermediates] = issued.chain
      await authority.revoke(issued.serialNumber)
      const crls = (await authority.crl()).map(({ der }) => CertificateRevocationList.parse(der))
      const verdict = verifyChain({ leaf, intermediates, roots: authority.roots, crls })
      assert.equal(verdict.ok ? 'good' : verdict.code, 'revoked')
      const record = readFileSync(path.join(world.signer, 'signatures.jsonl'), 'utf8').trim()
      const kinds = record.split('\n').map((line) => JSON.parse(line))
      assert.deepEqual(
        kinds.map(({ kind, signed }) => [kind, signed]),
        [
          ['certificate', true],
          ['list', true],
        ],
      )
      assert.deepEqual(
        [kinds[0].serial, kinds[0].who],
        [issued.serialNumber, world.client.fingerprint],
      )
    })
  }

  it('signs for the program as well, once it is named', async (t) => {
    const world = await makeWorld(t)
    await using signer = await world.start()
    const files = ['--cert', world.client.cert, '--key', world.client.key, '--data', world.data]
    const used = await runProgram(['signer', 'use', signer.url, ...files])
    assert.equal(used.code, 0, used.stderr)
    const out = path.join(world.data, 'out')
    const issued = await runProgram([
      'issue',
      'web.corp.internal',
      '--data',
      world.data,
      '--out',
      out,
    ])
    assert.equal(issued.code, 0, issued.stderr)
    assert.equal((await world.open().then((one) => one.list({ search: 'web' }))).length, 1)
  })

  it('that is away, or dies over a request, leaves nothing half done; it is asked again', async (t) => {
    const world = await makeWorld(t)
    let remote: RemoteSigner | undefined
    let aheadMs = 0
    const authority = await world.open(
      (key) => remote?.(key) ?? unreachable(),
      () => new Date(Date.now() + aheadMs),
    )
    const before = await authority.list()
    let asked = 0
    const dying = await world.fake(t, (request) => {
      asked++
      request.socket.destroy()
    })
    await using toDying = world.connect(dying)
    remote = toDying.remoteSigner
    await assert.rejects(issue(authority, 'a.corp.internal'), { code: 'signer-unavailable' })
    assert.ok(asked > 0)

    const signer = await world.start()
    await using toSigner = world.connect(signer.url)
    remote = toSigner.remoteSigner
    const { serialNumber } = await issue(authority, 'a.corp.internal')
    const [list] = await authority.crl()
    await signer.close()
    await assert.rejects(issue(authority, 'b.corp.internal'), { code: 'signer-unavailable' })
    await authority.revoke(serialNumber)
    // The list of before holds until there is a new one.
    assert.equal((await authority.crl())[0]?.number, list?.number)
    assert.equal((await authority.list()).length, before.length + 1)

    await using again = await world.start()
    await using toAgain = world.connect(again.url)
    remote = toAgain.remoteSigner
    await issue(authority, 'b.corp.internal')
    // For some seconds nobody asks again for a list.
    aheadMs = 10_000
    const [next] = await authority.crl()
    assert.ok((next?.number ?? 0) > (list?.number ?? 0))
    assert.equal(CertificateRevocationList.parse(next?.der ?? '').has(serialNumber), true)
  })

  it('that is away leaves the service with the list of before, of which it tells', async (t) => {
    const world = await makeWorld(t)
    await using signer = await world.start()
    await writeSignerSettings(dataFolder(world.data), world.settings(signer.url))
    const notes: string[] = []
    await using service = await startService({
      data: dataFolder(world.data),
      listen: '127.0.0.1:0',
      note: (text) => notes.push(text),
    })
    const { serialNumber } = await issue(service.authority, 'a.corp.internal')
    const [list] = await service.authority.crl()
    assert.ok(list !== undefined)
    await using session = new Session({ ca: path.join(world.data, 'roots.pem') })
    const ready = async (): Promise<unknown> => (await session.get(`${service.url}/readyz`)).json()
    assert.deepEqual(await ready(), { status: 'ready' })
    await signer.close()
    await service.authority.revoke(serialNumber)
    const response = await session.get(`${service.url}/crl/${list.ca}.crl`)
    assert.deepEqual([response.status, response.headers.get('etag')], [200, `"${list.number}"`])
    const { standing } = service.authority.overdue
    assert.deepEqual(
      standing.map(({ what, of }) => [what, of]),
      [['list', list.ca]],
    )
    assert.deepEqual(await ready(), {
      status: 'ready',
      overdue: JSON.parse(JSON.stringify(standing)),
    })
    const numbers = await (await session.get(`${service.url}/metrics`)).text()
    assert.match(numbers, /^countersign_overdue_signatures\{what="list"\} 1$/m)
    assert.match(numbers, /^countersign_overdue_signatures\{what="responder"\} 0$/m)
    assert.match(numbers, /^countersign_signing_failures_total\{what="list"\} [1-9]\d*$/m)
    assert.match(
      notes.join('\n'),
      /an answer is older than it should be: the revocation list of issuer-\S+ cannot be made anew.*cannot be asked/,
    )
  })

  it('is not believed where its answer is no signature of the key', async (t) => {
    const world = await makeWorld(t)
    const other = PrivateKey.generateSync('p256').signer()
    const answers = [Buffer.from(other.sign(Buffer.from('something else'))), Buffer.alloc(0)]
    for (const answer of answers) {
      const url = await world.fake(t, (_, response) => response.end(answer))
      await using remote = world.connect(url)
      const authority = await world.open(remote.remoteSigner)
      await assert.rejects(issue(authority, 'a.corp.internal'), {
        code: 'signer-refused',
        message: /is no signature of [0-9a-f]{64}/,
      })
      assert.deepEqual(await authority.list({ search: 'a.corp.internal' }), [])
    }
  })

  it('lets nobody in but whom it was told, signs nothing long, and nothing too often', async (t) => {
    const world = await makeWorld(t)
    await using signer = await world.start({ maxDays: 2, rate: 1 / 30 })
    const stranger = await world.identity('stranger')
    await using wrong = world.connect(signer.url, stranger)
    await assert.rejects(issue(await world.open(wrong.remoteSigner), 'a.corp.internal'), {
      code: 'signer-refused',
      message: /this certificate may not ask here/,
    })
    await using right = world.connect(signer.url)
    const authority = await world.open(right.remoteSigner)
    await assert.rejects(issue(authority, 'a.corp.internal', 3), {
      code: 'signer-refused',
      message: /it lasts longer than 2 days/,
    })
    await issue(authority, 'a.corp.internal', 1)
    // Two a minute were allowed, and both are used up: one of them on what was refused.
    await assert.rejects(issue(authority, 'b.corp.internal', 1), { code: 'signer-unavailable' })
  })
})

function unreachable(): never {
  throw new Error('no signer was named')
}
