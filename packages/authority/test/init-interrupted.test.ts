import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAuthority, openAuthority } from '@countersign/authority'
import { openStore } from '@countersign/store'
import { scrubProcess, startCommand, temporaryFolder } from '@countersign/testkit'
import { Certificate, PrivateKey } from '@countersign/x509'
import { childArguments, codeOf, serverRequest, sqliteUrl } from './fixture.ts'

scrubProcess()

describe('initAuthority, interrupted', () => {
  it('before the commit, leaves nothing, and the next one clears up', async (t) => {
    const folder = temporaryFolder(t)
    const result = await runChild(folder, 'before-commit')
    assert.equal(result.signal, 'SIGKILL')
    assert.equal(staged(folder).length, 1)
    assert.equal(existsSync(path.join(folder, 'root.key')), false)
    await using store = await openStore(sqliteUrl(folder))
    assert.equal(await codeOf(openAuthority({ store, folder })), 'not-initialised')
    await works(folder)
    assert.deepEqual(staged(folder), [])
  })

  it('after the commit, is finished by the next open, and by the next init', async (t) => {
    for (const next of ['open', 'init'] as const) {
      const folder = temporaryFolder(t)
      assert.equal((await runChild(folder, 'after-commit')).signal, 'SIGKILL')
      assert.equal(staged(folder).length, 1)
      assert.equal(existsSync(path.join(folder, 'issuer.key')), false)
      if (next === 'init') assert.equal((await runChild(folder)).stdout, 'already-initialised\n')
      await works(folder)
      assert.deepEqual(staged(folder), [])
    }
  })

  it('between the files, is finished by the next open', async (t) => {
    for (const moved of [
      ['root.key'],
      ['root.key', 'issuer.key'],
      ['issuer.key', 'passphrase'],
      [],
    ]) {
      const folder = temporaryFolder(t)
      await runChild(folder, 'after-commit')
      const [staging = ''] = staged(folder)
      for (const name of moved)
        renameSync(path.join(folder, staging, name), path.join(folder, name))
      await works(folder)
      assert.deepEqual(staged(folder), [])
    }
  })

  it('at any moment at all, leaves an authority that works or none', async (t) => {
    const outcomes = new Set<string>()
    // At least one of them is caught in the middle, however little of the machine this process gets.
    for (let round = 0; round < 8 || !outcomes.has('killed'); round++) {
      assert.ok(round < 80, 'none was caught')
      const folder = temporaryFolder(t)
      await using child = startCommand(
        process.execPath,
        childArguments('init.ts', sqliteUrl(folder), folder),
      )
      // The database appears first; from there it takes some tens of milliseconds.
      while (!existsSync(path.join(folder, 'ledger.db')) && child.child.exitCode === null)
        await sleep(1)
      await sleep((round % 8) * 6)
      child.child.kill('SIGKILL')
      await child.ended
      const finished = child.stdout()
      const fingerprint = await works(folder)
      if (finished.startsWith('made ')) assert.equal(finished, `made ${fingerprint}\n`)
      outcomes.add(finished === '' ? 'killed' : 'finished')
    }
  })

  it('never takes a staged key for one when another authority has its place', async (t) => {
    const folder = temporaryFolder(t)
    await runChild(folder, 'after-commit')
    writeFileSync(path.join(folder, 'root.key'), 'somebody else put this here')
    await using store = await openStore(sqliteUrl(folder))
    assert.equal(await codeOf(openAuthority({ store, folder })), 'folder-foreign')
    assert.equal(readFileSync(path.join(folder, 'root.key'), 'utf8'), 'somebody else put this here')
    assert.equal(staged(folder).length, 1)
  })
})

describe('initAuthority, by two processes at once', () => {
  it('lets one through and refuses the other', async (t) => {
    for (let round = 0; round < 2; round++) {
      const folder = temporaryFolder(t)
      const outputs = await Promise.all([runChild(folder), runChild(folder), runChild(folder)])
      const printed = outputs.map(({ stdout }) => stdout).toSorted()
      const fingerprint = await works(folder)
      assert.deepEqual(printed, [
        'already-initialised\n',
        'already-initialised\n',
        `made ${fingerprint}\n`,
      ])
      assert.deepEqual(staged(folder), [])
    }
  })
})

function runChild(folder: string, stop?: string): ReturnType<typeof runCommandAnyEnd> {
  return runCommandAnyEnd(
    childArguments('init.ts', sqliteUrl(folder), folder, ...(stop === undefined ? [] : [stop])),
  )
}

/** Unlike `runCommand`, takes a SIGKILL for an answer. */
async function runCommandAnyEnd(
  args: string[],
): Promise<{ signal: string | null; stdout: string }> {
  await using child = startCommand(process.execPath, args)
  const { signal } = await child.ended
  return { signal, stdout: child.stdout() }
}

/** Opens or makes the authority, issues, and checks that files and database agree. @returns the root's fingerprint */
async function works(folder: string): Promise<string> {
  await using store = await openStore(sqliteUrl(folder))
  const authority = await createAuthority({ store, folder })
  const { certificate, chain } = await authority.issue(serverRequest())
  const [root] = Certificate.parseAll(readFileSync(path.join(folder, 'roots.pem')))
  assert.ok(root !== undefined)
  assert.equal(certificate.issuedBy(chain[1]), true)
  assert.equal(chain[1].issuedBy(root), true)
  const passphrase = readFileSync(path.join(folder, 'root.passphrase'), 'utf8').trim()
  const rootKey = PrivateKey.parse(readFileSync(path.join(folder, 'root.key'), 'utf8'), {
    passphrase,
  })
  assert.equal(rootKey.publicKey.equals(root.publicKey), true)
  assert.deepEqual(
    readdirSync(folder).filter((name) => !name.startsWith('ledger.db')),
    ['issuer.key', 'passphrase', 'root.key', 'root.passphrase', 'roots.pem'],
  )
  return root.fingerprint
}

function staged(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('.init-'))
}
