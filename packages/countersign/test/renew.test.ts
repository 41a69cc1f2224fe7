import assert from 'node:assert/strict'
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createAuthority, writeIdentity } from '@countersign/authority'
import { openStore } from '@countersign/store'
import { type CommandResult, runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'
import { Certificate, PrivateKey } from '@countersign/x509'

scrubProcess()

const HOUR_MS = 3_600_000

describe('renewal of files', () => {
  const folder = temporaryFolder(after)
  const data = path.join(folder, 'data')
  /** Issues `NAME` as of some hours ago into a folder of its own. */
  async function issue(name: string, hours: { ago: number; life: number }): Promise<string> {
    await using store = await openStore(`sqlite:${path.join(data, 'countersign.db')}`)
    const authority = await createAuthority({
      store,
      folder: data,
      clock: () => new Date(Date.now() - hours.ago * HOUR_MS),
    })
    const key = await PrivateKey.generate('p256')
    const issued = await authority.issue({
      names: [name],
      publicKey: key.publicKey,
      profile: 'server',
      days: hours.life / 24,
      requester: 'test',
    })
    const files = await writeIdentity(path.join(folder, name), name, issued, {
      key,
      roots: authority.roots,
    })
    return files.certificate
  }
  async function renew(...args: string[]): Promise<CommandResult> {
    return await runProgram(['renew', ...args, '--data', data])
  }

  before(() => {
    mkdirSync(data, { mode: 0o700 })
  })

  describe('needs-renewal', () => {
    let young: string
    let due: string
    let ended: string
    before(async () => {
      // The authority is made as of the first of them, which is the oldest.
      ended = await issue('ended.test', { ago: 200, life: 24 })
      young = await issue('young.test', { ago: 10, life: 48 })
      due = await issue('due.test', { ago: 40, life: 48 })
    })

    it('says no before two thirds of the life, yes from then on and after the end', async () => {
      const answers = [await ask(young), await ask(due), await ask(ended)]
      assert.deepEqual(
        answers.map(({ code }) => code),
        [1, 0, 0],
      )
      assert.match(answers[0]?.stdout ?? '', /^no: due at \S+, ends at \S+\n$/)
      assert.match(answers[1]?.stdout ?? '', /^yes: due since \S+, ends at \S+\n$/)
    })

    it('counts from the end with --expires-in', async () => {
      assert.equal((await ask(young, '--expires-in', '39h')).code, 0)
      assert.equal((await ask(due, '--expires-in', '1h')).code, 1)
    })

    it('answers 2 where there is no file, 255 where there is something else', async () => {
      assert.equal((await ask(path.join(folder, 'none.crt'))).code, 2)
      const other = path.join(folder, 'other.crt')
      writeFileSync(other, 'hello')
      assert.equal((await ask(other)).code, 255)
      assert.equal((await ask(folder)).code, 255)
    })

    it('is one JSON value with --json', async () => {
      const { code, stdout } = await ask(due, '--json')
      assert.equal(code, 0)
      const answer = Object(JSON.parse(stdout))
      assert.equal(answer.renew, true)
      assert.equal(answer.notAfter, leafOf(due).notAfter.toISOString())
    })
  })

  describe('renew', () => {
    it('writes the same certificate for another time in its place, with its mode, and leaves the key', async () => {
      const file = await issue('plain.test', { ago: 1, life: 48 })
      const keyFile = file.replace(/crt$/, 'key')
      chmodSync(file, 0o640)
      const [old, key] = [leafOf(file), readFileSync(keyFile, 'utf8')]
      const { code, stdout, stderr } = await renew(file)
      assert.equal(code, 0, stderr)
      assert.equal(stdout, `${file}\n`)
      const renewed = leafOf(file)
      assert.ok(renewed.notAfter > old.notAfter)
      assert.deepEqual(renewed.subjectAltNames, old.subjectAltNames)
      assert.ok(renewed.publicKey.equals(old.publicKey))
      assert.equal(Certificate.parseAll(readFileSync(file, 'utf8')).length, 2)
      assert.equal(statSync(file).mode & 0o777, 0o640)
      assert.equal(readFileSync(keyFile, 'utf8'), key)
    })

    it('makes a new key of the same type with --rekey, for its owner alone', async () => {
      const file = await issue('rekey.test', { ago: 1, life: 48 })
      const keyFile = file.replace(/crt$/, 'key')
      const old = leafOf(file)
      const { code, stdout, stderr } = await renew(file, '--rekey')
      assert.equal(code, 0, stderr)
      assert.equal(stdout, `${file}\n${keyFile}\n`)
      const { publicKey } = PrivateKey.parse(readFileSync(keyFile, 'utf8'))
      assert.ok(publicKey.equals(leafOf(file).publicKey))
      assert.ok(!publicKey.equals(old.publicKey))
      assert.equal(publicKey.type, 'p256')
      assert.equal(statSync(keyFile).mode & 0o777, 0o600)
    })

    it('replaces what a link points to', async () => {
      const file = await issue('linked.test', { ago: 1, life: 48 })
      const link = path.join(folder, 'link.crt')
      symlinkSync(file, link)
      const old = leafOf(file)
      assert.equal((await renew(link)).code, 0)
      assert.notEqual(leafOf(file).serialNumber, old.serialNumber)
      assert.equal(leafOf(link).serialNumber, leafOf(file).serialNumber)
    })

    it('refuses what was revoked, and touches no file', async () => {
      const file = await issue('revoked.test', { ago: 1, life: 48 })
      const content = readFileSync(file, 'utf8')
      assert.equal((await runProgram(['revoke', file, '--data', data])).code, 0)
      for (const args of [[file], [file, '--rekey']]) {
        const { code, stderr } = await renew(...args)
        assert.equal(code, 1)
        assert.match(stderr, /was revoked at/)
      }
      assert.equal(readFileSync(file, 'utf8'), content)
    })

    it('refuses a certificate of another authority', async () => {
      const file = await issue('foreign.test', { ago: 1, life: 48 })
      const other = path.join(folder, 'other')
      assert.equal((await runProgram(['init', '--data', other])).code, 0)
      const { code, stderr } = await runProgram(['renew', file, '--data', other])
      assert.equal(code, 1)
      assert.match(stderr, /the ledger has no certificate/)
    })

    it('refuses to lose a key: in the same file, or of another certificate', async () => {
      const file = await issue('keys.test', { ago: 1, life: 48 })
      const keyFile = file.replace(/crt$/, 'key')
      const both = path.join(folder, 'both.pem')
      writeFileSync(both, readFileSync(keyFile, 'utf8') + readFileSync(file, 'utf8'))
      const joined = await renew(both)
      assert.equal(joined.code, 2)
      assert.match(joined.stderr, /holds a private key as well/)
      const other = PrivateKey.generateSync('p256').toPem()
      writeFileSync(keyFile, other)
      const wrong = await renew(file, '--rekey')
      assert.equal(wrong.code, 2)
      assert.match(wrong.stderr, /holds the key of another certificate/)
      assert.equal(readFileSync(keyFile, 'utf8'), other)
      rmSync(keyFile)
      assert.match((await renew(file, '--rekey')).stderr, /is not there/)
      assert.equal((await renew(file, '--key', keyFile)).code, 2)
    })
  })
})

async function ask(...args: string[]): Promise<CommandResult> {
  return await runProgram(['needs-renewal', ...args])
}

function leafOf(file: string): Certificate {
  const [leaf] = Certificate.parseAll(readFileSync(file, 'utf8'))
  assert.ok(leaf !== undefined)
  return leaf
}
