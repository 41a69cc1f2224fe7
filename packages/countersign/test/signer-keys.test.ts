/** What a signer does beside signing: it makes the next issuer's key, holds no more than it should, and writes everything down. */
import assert from 'node:assert/strict'
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { once } from 'node:events'
import path from 'node:path'
import { describe, it } from 'node:test'
import { AuthorityError } from '@countersign/authority'
import { runProgram, scrubProcess } from '@countersign/testkit'
import {
  buildCertificate,
  Certificate,
  Name,
  parseGeneralName,
  PrivateKey,
  type PublicKey,
} from '@countersign/x509'
import { BytesInFlight } from '../src/signer/bytes-in-flight.ts'
import { connectSigner, nameOf } from '../src/signer/remote-signer.ts'
import { SigningRecord } from '../src/signer/signing-record.ts'
import { writeSignerSettings } from '../src/signer/settings.ts'
import { dataFolder } from '../src/data-folder.ts'
import { issue, makeWorld, type World } from './signer-world.ts'

scrubProcess()

const DAY_MS = 86_400_000
const subjectAltNames = [parseGeneralName('api.corp.internal')]

describe('the next issuer of a signer', () => {
  it('has a key that is made there, by one command here; both issuers are signed for, after a restart too', async (t) => {
    const world = await makeWorld(t)
    const signer = await world.start()
    await writeSignerSettings(dataFolder(world.data), world.settings(signer.url))
    const before = issuersOf(world)
    const rolled = await runProgram(['roll', 'issuer', '--data', world.data, '--json'])
    assert.equal(rolled.code, 0, rolled.stderr)
    assert.match(rolled.stderr, /the signer has made its key, and keeps it/)
    const { new: made } = JSON.parse(rolled.stdout)
    assert.deepEqual(
      readdirSync(world.data).filter((name) => name.startsWith('issuer')),
      [],
    )
    const adopted = issuersOf(world)
    assert.deepEqual(
      adopted.map(({ fingerprint }) => fingerprint),
      [...before.map(({ fingerprint }) => fingerprint), made.fingerprint],
    )
    const [key = ''] = readdirSync(world.signer).filter((name) => name.startsWith('issuer-'))
    assert.match(key, /^issuer-[0-9a-f]{16}\.key$/)
    assert.match(readFileSync(path.join(world.signer, key), 'utf8'), /BEGIN ENCRYPTED PRIVATE KEY/)
    await signer.close()
    await using again = await world.start()
    await using remote = connectSigner(world.settings(again.url))
    const authority = await world.open(remote.remoteSigner)
    const { certificate, chain } = await issue(authority, 'api.corp.internal')
    assert.ok(certificate.issuedBy(adopted.at(-1) ?? chain[0]))
    const lists = await authority.crl()
    assert.equal(lists.filter(({ ca }) => ca.startsWith('issuer-')).length, 2)
    const kinds = recordOf(world).map((line) => Object.keys(line)[2])
    assert.deepEqual(kinds, ['made', 'adopted', 'key', 'key', 'key'])
  })

  it('is made once however often it is asked for, for each that may ask its own', async (t) => {
    const world = await makeWorld(t)
    const keys = world.keys()
    const [first, second] = await Promise.all([
      keys.next('aa'.repeat(32), 'p256'),
      keys.next('aa'.repeat(32), 'p256'),
    ])
    assert.ok(first.equals(second))
    assert.ok(!(await keys.next('bb'.repeat(32), 'p256')).equals(first))
    assert.equal((await keys.next('aa'.repeat(32), 'ed25519')).type, 'ed25519')
    assert.ok((await world.keys().next('aa'.repeat(32), 'p256')).equals(first))
    assert.equal(world.keys().issuers.length, 1)
    // Without a certificate it signs nothing.
    assert.equal(keys.find(nameOf(first)), undefined)
  })

  it('goes on where a signer was killed between certificate and name', async (t) => {
    const world = await makeWorld(t)
    const who = 'aa'.repeat(32)
    const keys = world.keys()
    const publicKey = await keys.next(who, 'p256')
    const issuer = certified(world, publicKey)
    appendFileSync(path.join(world.signer, 'issuers.pem'), issuer.pem)
    const again = world.keys()
    assert.ok(again.find(nameOf(publicKey)) !== undefined)
    const next = await again.next(who, 'p256')
    assert.ok(!next.equals(publicKey))
    assert.ok(world.keys().find(nameOf(publicKey)) !== undefined)
  })

  it('is refused a certificate that is none of an issuer, leads elsewhere, is older, or belongs to somebody else', async (t) => {
    const world = await makeWorld(t)
    const who = 'aa'.repeat(32)
    const keys = world.keys()
    const publicKey = await keys.next(who, 'p256')
    const roots = Certificate.parseAll(readFileSync(path.join(world.data, 'roots.pem')))
    const [old] = keys.issuers
    assert.ok(old !== undefined)
    const good = certified(world, publicKey)
    const strangers = PrivateKey.generateSync('p256')
    const refuse = async (issuer: Certificate, by: string, words: RegExp): Promise<void> => {
      await assert.rejects(keys.adopt([issuer], roots, by, new Date()), (error) => {
        assert.ok(error instanceof AuthorityError && error.code === 'signer-refused')
        assert.match(error.message, words)
        return true
      })
    }
    await refuse(good, 'bb'.repeat(32), /the key of this certificate is not here/)
    await refuse(
      certified(world, strangers.publicKey),
      who,
      /the key of this certificate is not here/,
    )
    await refuse(
      certified(world, publicKey, { by: strangers }),
      who,
      /it leads to no root that is known here/,
    )
    await refuse(
      certified(world, publicKey, { ca: {} }),
      who,
      /it is not the certificate of an issuer/,
    )
    await refuse(
      certified(world, publicKey, {
        ca: undefined,
        keyUsage: ['digitalSignature'],
        subjectAltNames,
      }),
      who,
      /it is not the certificate/,
    )
    await refuse(
      certified(world, publicKey, { keyUsage: ['keyCertSign'] }),
      who,
      /it may not sign certificates and lists/,
    )
    await refuse(
      certified(world, publicKey, { notAfter: new Date(Date.now() - DAY_MS / 2) }),
      who,
      /it leads to no root/,
    )
    await refuse(certified(world, old.publicKey), who, /its key is that of .*Issuer/)
    const older = new Date(old.notBefore.getTime() - DAY_MS)
    await refuse(
      certified(world, old.publicKey, { subject: old.subject, notBefore: older }),
      who,
      /it is older/,
    )
    assert.deepEqual(
      issuersOf(world).map(({ fingerprint }) => fingerprint),
      [old.fingerprint],
    )
    await keys.adopt([good], roots, who, new Date())
    assert.equal(issuersOf(world).length, 2)
  })
})

describe('an issuer that is renewed', () => {
  it('is signed for by its newer certificate, which the signer is told before', async (t) => {
    const world = await makeWorld(t)
    await using signer = await world.start()
    await using remote = world.connect(signer.url)
    const authority = await world.open(remote.remoteSigner)
    const { renewed } = await authority.upkeep({ force: true })
    assert.deepEqual(
      issuersOf(world).map(({ fingerprint }) => fingerprint),
      [renewed?.fingerprint],
    )
    // The next root leads there by what the one before has signed for it.
    await authority.roll('root')
    assert.deepEqual(
      issuersOf(world).map(({ fingerprint }) => fingerprint),
      [authority.issuer.fingerprint],
    )
    await issue(authority, 'api.corp.internal')
    await signer.close()
    await assert.rejects(authority.upkeep({ force: true }), { code: 'signer-unavailable' })
    await assert.rejects(authority.roll('issuer'), { code: 'signer-unavailable' })
    assert.equal(await authority.rollover('issuer'), undefined)
  })
})

describe('what a signer holds', () => {
  it('is so much of one client, and so much in all', () => {
    const room = new BytesInFlight(100, 150)
    const first = room.take('a', 60)
    assert.ok(first !== undefined)
    assert.equal(room.take('a', 41), undefined)
    const second = room.take('b', 90)
    assert.ok(second !== undefined)
    assert.equal(room.take('c', 1), undefined)
    first[Symbol.dispose]()
    assert.ok(room.take('c', 60) !== undefined)
    assert.equal(room.take('a', 1), undefined)
  })

  it('is refused before it is read, and the room is there again once a request has ended', async (t) => {
    const world = await makeWorld(t)
    await using signer = await world.start({ bytesOfOne: 2000 })
    const connection = {
      ca: readFileSync(path.join(world.data, 'roots.pem')),
      cert: readFileSync(world.client.cert),
      key: readFileSync(world.client.key),
      method: 'POST',
      agent: false,
    } as const
    const ask = async (headers: Record<string, string>, send: boolean): Promise<number> => {
      const asked = httpsRequest(`${signer.url}/sign`, { ...connection, headers })
      asked.on('error', () => undefined)
      asked.flushHeaders()
      if (send) asked.end('x'.repeat(Number(headers['content-length'] ?? 10)))
      const [response] = await once(asked, 'response')
      asked.destroy()
      return response.statusCode
    }
    assert.equal(await ask({ 'content-length': '2001' }, false), 429)
    assert.equal(await ask({ 'transfer-encoding': 'chunked' }, true), 411)
    for (let turn = 0; turn < 3; turn++) {
      assert.equal(await ask({ 'content-length': '1500' }, true), 404)
    }
  })
})

describe('the record of a signer', () => {
  it('has a line for each of a hundred at once, none of them torn by one that was', async (t) => {
    const world = await makeWorld(t)
    const file = path.join(world.signer, 'signatures.jsonl')
    writeFileSync(file, '{"time":"2030-01-01","whole":true}\n{"time":"20')
    const record = new SigningRecord(file)
    await Promise.all(Array.from({ length: 100 }, async (_, turn) => record.append({ turn })))
    const lines = readFileSync(file, 'utf8').split('\n')
    assert.equal(lines.length, 103)
    assert.deepEqual(
      lines.slice(2, 102).map((line) => JSON.parse(line).turn),
      Array.from({ length: 100 }, (_, turn) => turn),
    )
    // Moved away, it is begun anew.
    copyFileSync(file, `${file}.1`)
    rmSync(file)
    await record.append({ turn: 100 })
    assert.equal(readFileSync(file, 'utf8'), '{"turn":100}\n')
  })

  it('that cannot be written lets nothing leave', async (t) => {
    const world = await makeWorld(t)
    const notes: string[] = []
    await using signer = await world.start({ note: (text) => notes.push(text) })
    await using remote = world.connect(signer.url)
    const authority = await world.open(remote.remoteSigner)
    const file = path.join(world.signer, 'signatures.jsonl')
    mkdirSync(file)
    await assert.rejects(issue(authority, 'api.corp.internal'), {
      code: 'signer-unavailable',
      message: /does not sign now: its record cannot be written$/,
    })
    assert.match(notes.join('\n'), /^cannot write .*signatures\.jsonl: EISDIR/)
    rmSync(file, { recursive: true })
    await issue(authority, 'api.corp.internal')
    assert.equal(recordOf(world).length, 1)
  })
})

function issuersOf({ signer }: World): Certificate[] {
  return Certificate.parseAll(readFileSync(path.join(signer, 'issuers.pem')))
}

function recordOf({ signer }: World): Record<string, unknown>[] {
  const text = readFileSync(path.join(signer, 'signatures.jsonl'), 'utf8').trim()
  return text.split('\n').map((line) => JSON.parse(line))
}

/** A certificate by the root of the world, for whatever key, with what matters laid over it. */
function certified(
  { data }: World,
  publicKey: PublicKey,
  { by, ...changes }: { by?: PrivateKey } & Partial<Parameters<typeof buildCertificate>[0]> = {},
): Certificate {
  const [root] = Certificate.parseAll(readFileSync(path.join(data, 'roots.pem')))
  assert.ok(root !== undefined)
  const passphrase = readFileSync(path.join(data, 'root.passphrase'), 'utf8').trim()
  const key = by ?? PrivateKey.parse(readFileSync(path.join(data, 'root.key')), { passphrase })
  const now = Math.floor(Date.now() / 1000) * 1000
  return buildCertificate(
    {
      subject: Name.from({ commonName: 'Next Issuer' }),
      issuer: root.subject,
      publicKey,
      notBefore: new Date(now - DAY_MS),
      notAfter: new Date(now + DAY_MS),
      ca: { pathLength: 0 },
      keyUsage: ['keyCertSign', 'cRLSign'],
      authorityKeyId: root.extensions.subjectKeyIdentifier,
      ...changes,
    },
    key.signer(),
  )
}
