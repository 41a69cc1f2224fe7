import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Session } from '@countersign/client'
import {
  type CommandResult,
  runProgram,
  scrubProcess,
  skipWithout,
  startProgram,
  temporaryFolder,
} from '@countersign/testkit'
import { Certificate, PrivateKey } from '@countersign/x509'
import { type AcmeMachine, startAcmeMachine, writeHook } from './acme-machine.ts'

scrubProcess()

describe('countersign renew, of what came by ACME', { skip: skipWithout('sh') }, () => {
  const folder = temporaryFolder(after)
  const out = path.join(folder, 'out')
  const file = path.join(out, 'api.test.crt')
  const keyFile = path.join(out, 'api.test.key')
  const env = { COUNTERSIGN_CONFIG: path.join(folder, 'config') }
  /** No authority is here: what is renewed is renewed by the server. */
  const elsewhere = path.join(folder, 'elsewhere')
  let machine: AcmeMachine
  before(async () => {
    machine = await startAcmeMachine(folder)
    const hook = writeHook(
      folder,
      'dns-hook',
      `[ "$1" = present ] && printf %s "$3" > "${machine.records}/$2"; exit 0`,
    )
    const order = ['issue', 'api.test', '--acme', machine.directory, '--ca', machine.roots]
    const issued = await run(...order, '--dns-hook', hook, '--out', out)
    assert.equal(issued.code, 0, issued.stderr)
  })
  after(async () => machine[Symbol.asyncDispose]())

  async function run(...args: readonly string[]): Promise<CommandResult> {
    return await runProgram([...args, '--data', elsewhere], { env })
  }

  function leaf(): Certificate {
    const [first] = Certificate.parseAll(readFileSync(file, 'utf8'))
    assert.ok(first)
    return first
  }

  it('renews by the server that it came from, with another key where that is wanted', async () => {
    const old = leaf()
    const { code, stderr } = await run('renew', file, '--rekey')
    assert.equal(code, 0, stderr)
    assert.notEqual(leaf().serialNumber, old.serialNumber)
    assert.ok(!leaf().publicKey.equals(old.publicKey))
    const key = PrivateKey.parse(readFileSync(keyFile, 'utf8'))
    assert.ok(key.publicKey.equals(leaf().publicKey))
    const [entry] = await machine.service.authority.list({ search: 'api.test', limit: 1 })
    assert.equal(entry?.serial, leaf().serialNumber)
    assert.match(entry?.requester ?? '', /^acme /)
  })

  it('is due by needs-renewal once the server suggests that, and by its life where nobody answers', async () => {
    const asked = await run('needs-renewal', file)
    assert.equal(asked.code, 1, asked.stderr)
    assert.match(asked.stdout, /^no: due at \S+, as its issuer suggests, ends at/)
    // The same moment of the window whenever it is asked for.
    assert.equal((await run('needs-renewal', file)).stdout, asked.stdout)
    await machine.service.authority.revoke(leaf().fingerprint, 'keyCompromise')
    const due = await run('needs-renewal', file, '--json')
    assert.equal(due.code, 0, due.stderr)
    const answer: { renew: boolean; suggested: boolean } = JSON.parse(due.stdout)
    assert.deepEqual([answer.renew, answer.suggested], [true, true])
    for (const option of [['--no-ask'], ['--expires-in', '1m']]) {
      const silent = await run('needs-renewal', file, ...option)
      assert.deepEqual([silent.code, silent.stderr], [1, ''])
      assert.doesNotMatch(silent.stdout, /suggests/)
    }
    // A server that has gone, and what is kept of it damaged.
    const kept = `${file.slice(0, -4)}.acme.json`
    const record = readFileSync(kept, 'utf8')
    const other = record.replace(
      /"directory": "[^"]+"/,
      '"directory": "https://127.0.0.1:1/acme/directory"',
    )
    assert.notEqual(other, record)
    for (const text of [other, '{"directory":']) {
      writeFileSync(kept, text)
      const alone = await run('needs-renewal', file)
      assert.equal(alone.code, 1, alone.stderr)
      assert.match(alone.stderr, /; answered by its life, without the word of its issuer/)
    }
    writeFileSync(kept, record)
  })

  it('renews early by the daemon once the server suggests that, and runs the command', async () => {
    const old = leaf()
    await machine.service.authority.revoke(old.fingerprint, 'keyCompromise')
    const told = path.join(folder, 'told')
    const exec = `printf %s "$COUNTERSIGN_SERIAL" > "${told}"; echo reloaded`
    const args = ['renew', file, '--daemon', '--exec', exec, '--data', elsewhere]
    await using daemon = startProgram(args, { env })
    await daemon.waitForOutput(/reloaded[^]*due at \S+, as its issuer suggests/)
    assert.match(daemon.stderr(), /due at \S+, as its issuer suggests[^]*renewed: serial/)
    assert.notEqual(leaf().serialNumber, old.serialNumber)
    assert.ok(leaf().publicKey.equals(old.publicKey))
    assert.equal(readFileSync(told, 'utf8'), leaf().serialNumber)
    assert.equal(await daemon.stop('SIGTERM'), 0)
    assert.match(daemon.stderr(), /SIGTERM: stopping after 1 renewal\n/)
  })

  it('renews what was written down and not yet there when it was stopped', async () => {
    const kept = `${file.slice(0, -4)}.acme.json`
    const record: { certificate: string; before: string } = JSON.parse(readFileSync(kept, 'utf8'))
    const next = { ...record, certificate: `${record.before}A`, before: record.certificate }
    writeFileSync(kept, JSON.stringify(next))
    const old = leaf()
    const { code, stderr } = await run('renew', file)
    assert.equal(code, 0, stderr)
    assert.notEqual(leaf().serialNumber, old.serialNumber)
  })

  it('is counted where Prometheus looks', async () => {
    await using session = new Session({ baseUrl: machine.service.url, ca: machine.roots })
    const text = await (await session.get('/metrics')).text()
    assert.match(text, /^countersign_acme_orders_total\{status="valid"\} 4$/m)
    assert.match(text, /^countersign_acme_challenges_total\{type="dns-01",result="valid"\} 1$/m)
    assert.match(text, /^countersign_acme_problems_total\{type="badNonce"\} [1-9]\d*$/m)
    assert.match(text, /^countersign_acme_nonces_total\{result="made"\} [1-9]\d*$/m)
  })

  it('says what is wrong with a file that was damaged, and changes nothing', async () => {
    const old = leaf()
    const kept = `${file.slice(0, -4)}.acme.json`
    writeFileSync(kept, '{"directory":')
    const { code, stderr } = await run('renew', file)
    assert.equal(code, 1)
    assert.match(stderr, /cannot read .*api\.test\.acme\.json[^]*--acme URL --force/)
    assert.equal(leaf().serialNumber, old.serialNumber)
  })
})
