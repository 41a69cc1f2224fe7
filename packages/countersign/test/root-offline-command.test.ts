/** A root whose key is on another medium, from `init` to the issuer's next certificate. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'

scrubProcess()

describe('a root on another medium', () => {
  const data = path.join(temporaryFolder(after), 'data')
  const medium = temporaryFolder(after)
  const key = path.join(medium, 'vault.key')

  it('is written there by init, and the folder never has it', async () => {
    const made = await runProgram(['init', '--data', data, '--root-out', key])
    assert.equal(made.code, 0, made.stderr)
    assert.match(
      made.stderr,
      /the root’s key is in .*vault\.key, and its passphrase in .*root\.passphrase: keep them apart/,
    )
    assert.equal(existsSync(path.join(data, 'root.key')), false)
    assert.match(readFileSync(key, 'utf8'), /ENCRYPTED PRIVATE KEY/)
    const again = ['init', '--data', path.join(medium, 'other'), '--root-out', key, '--json']
    const refused = await runProgram(again)
    assert.equal(refused.code, 1)
    assert.partialDeepStrictEqual(JSON.parse(refused.stdout), { code: 'key-exists' })
  })

  it('is brought for the next issuer: its passphrase is found here, or in the file that is named', async () => {
    const roll = ['roll', 'issuer', '--same-key', '--root-key', key, '--data', data]
    const found = await runProgram(roll)
    assert.match(found.stdout, /^renewed .* Issuer /, found.stderr)
    const secret = path.join(medium, 'words')
    writeFileSync(secret, readFileSync(path.join(data, 'root.passphrase')))
    rmSync(path.join(data, 'root.passphrase'))
    const missing = await runProgram([...roll, '--json'])
    assert.partialDeepStrictEqual(JSON.parse(missing.stdout), {
      code: 'file-unreadable',
      hint: 'name a file with its passphrase: --passphrase-file FILE',
    })
    const named = await runProgram([...roll, '--passphrase-file', secret])
    assert.match(named.stdout, /^renewed .* Issuer /, named.stderr)
  })

  it('is no business of doctor, unlike one beside what opens it', async () => {
    const fine = await runProgram(['doctor', '--data', data])
    assert.equal(fine.code, 0, fine.stderr)
    assert.doesNotMatch(fine.stderr, /another medium/)
    const beside = path.join(data, 'root.key')
    writeFileSync(beside, readFileSync(key), { mode: 0o600 })
    writeFileSync(path.join(data, 'root.passphrase'), 'x', { mode: 0o600 })
    const told = await runProgram(['doctor', '--data', data])
    assert.equal(told.code, 0, told.stderr)
    assert.match(told.stderr, /root\.key can be opened by whoever reads this folder: move it/)
  })
})
