import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type CommandResult, runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'
import { Certificate, PrivateKey } from '@countersign/x509'
import { initAuthority } from './identity-files.ts'

scrubProcess()

const folder = temporaryFolder(after)
let data = ''
before(async () => {
  data = await initAuthority(folder)
})

let runs = 0
/** Runs a batch of these lines; answers what came of it and the folder it wrote to. */
async function batch(
  lines: readonly string[],
  ...more: string[]
): Promise<CommandResult & { out: string }> {
  const file = path.join(folder, `lines-${++runs}`)
  writeFileSync(file, `${lines.join('\n')}\n`)
  const out = path.join(folder, `out-${runs}`)
  const result = await runProgram(
    ['issue', '--batch', file, '--data', data, '--out', out, ...more],
    {},
  )
  return { ...result, out }
}

const issuedSoFar = async (): Promise<number> =>
  JSON.parse((await runProgram(['certs', '--data', data, '--json'], {})).stdout).length

describe('countersign issue --batch', () => {
  it('issues a key and a certificate for each line, named after its first name', async () => {
    const { code, stdout, stderr, out } = await batch([
      '# the machines of a rack',
      'api.corp.internal',
      '',
      'db.corp.internal 10.0.0.7, db',
      '*.corp.internal',
    ])
    assert.equal(code, 0, stderr)
    assert.equal(stdout.trim().split('\n').length, 3)
    assert.deepEqual(readdirSync(out).toSorted(), [
      '_wildcard.corp.internal.crt',
      '_wildcard.corp.internal.key',
      'api.corp.internal.crt',
      'api.corp.internal.key',
      'db.corp.internal.crt',
      'db.corp.internal.key',
      'roots.pem',
    ])
    const file = path.join(out, 'db.corp.internal')
    const [leaf, issuer] = Certificate.parseAll(readFileSync(`${file}.crt`, 'utf8'))
    const key = PrivateKey.parse(readFileSync(`${file}.key`, 'utf8'))
    assert.ok(leaf !== undefined && issuer !== undefined)
    assert.deepEqual(
      leaf.subjectAltNames.map(({ value }) => value),
      ['db.corp.internal', '10.0.0.7', 'db'],
    )
    assert.ok(leaf.publicKey.equals(key.publicKey) && leaf.verifySignature(issuer.publicKey))
    if (process.platform !== 'win32') {
      assert.equal(statSync(`${file}.key`).mode & 0o777, 0o600)
      assert.equal(statSync(`${file}.crt`).mode & 0o777, 0o644)
    }
  })

  it('takes standard input, clients, other keys and --json', async () => {
    const line = 'issue --batch - --client --key-type ed25519 --days 2 --json --data'
    const { code, stdout, stderr } = await runProgram(
      [...line.split(' '), data, '--out', path.join(folder, 'clients')],
      { input: 'ann\nbob@corp.internal\n' },
    )
    assert.equal(code, 0, stderr)
    const results = JSON.parse(stdout)
    assert.equal(results.length, 2)
    for (const { files } of results) {
      const [leaf] = Certificate.parseAll(readFileSync(files.certificate, 'utf8'))
      assert.equal(leaf?.publicKey.type, 'ed25519')
      assert.ok(leaf?.extensions.extendedKeyUsage?.includes('clientAuth'))
      assert.ok(existsSync(files.key))
    }
  })

  it('issues none where one line is refused, and says which', async () => {
    const issued = await issuedSoFar()
    const { code, stderr, out } = await batch(['good.corp.internal', 'bad_name!'])
    assert.equal(code, 2)
    assert.match(stderr, /request 2: .*name!/)
    assert.ok(!existsSync(out))
    assert.equal(await issuedSoFar(), issued)
  })

  it('writes no two certificates to one file', async () => {
    const issued = await issuedSoFar()
    const { code, stderr } = await batch(['api.corp.internal', 'API.corp.internal 10.0.0.1'])
    assert.equal(code, 2)
    assert.match(stderr, /would be written to one file/)
    assert.equal(await issuedSoFar(), issued)
  })

  it('writes over no key unless it is told to', async () => {
    const file = path.join(folder, 'again')
    writeFileSync(file, 'api.corp.internal\n')
    const args = ['issue', '--batch', file, '--data', data, '--out', path.join(folder, 'same')]
    assert.equal((await runProgram(args, {})).code, 0)
    const issued = await issuedSoFar()
    const again = await runProgram(args, {})
    assert.notEqual(again.code, 0)
    assert.match(again.stderr, /api\.corp\.internal\.key is there already/)
    assert.equal(await issuedSoFar(), issued)
    assert.equal((await runProgram([...args, '--force'], {})).code, 0)
    assert.equal(await issuedSoFar(), issued + 1)
  })

  it('refuses what makes no sense beside it, an empty list, and one that is too long', async () => {
    for (const more of [
      ['--p12'],
      ['--legacy'],
      ['--csr', 'request.csr'],
      ['name.corp.internal'],
    ]) {
      const { code, stderr } = await batch(['api.corp.internal'], ...more)
      assert.equal(code, 2)
      assert.match(stderr, /--batch and .* exclude each other/)
    }
    assert.equal((await batch(['# nothing'])).code, 2)
    const long = await batch(Array.from({ length: 10_001 }, (_, index) => `h${index}.internal`))
    assert.equal(long.code, 2)
    assert.match(long.stderr, /more than 10000 certificates/)
  })
})
