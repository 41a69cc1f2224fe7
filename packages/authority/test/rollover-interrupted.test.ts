/** Rollover by processes that are killed, and by several at once: nothing is lost, and what was begun can be finished. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { initAuthority, openAuthority } from '@countersign/authority'
import { openStore } from '@countersign/store'
import { scrubProcess, startCommand, temporaryFolder } from '@countersign/testkit'
import { PrivateKey, verifyChain } from '@countersign/x509'
import { childArguments, serverRequest, sqliteUrl } from './fixture.ts'

scrubProcess()

const KINDS = ['root', 'issuer'] as const

describe('a rollover, interrupted', () => {
  for (const kind of KINDS) {
    it(`of the ${kind}, before anything is published: the next one begins again`, async (t) => {
      for (const stop of ['after-1', 'before-2'] as const) {
        const folder = await newAuthority(t)
        const before = await sound(folder)
        assert.equal((await child(folder, 'roll', kind, stop)).signal, 'SIGKILL')
        assert.equal(await sound(folder), before)
        assert.equal(await stepOf(folder, kind), 'begun')
        assert.equal(keys(folder).length, stop === 'after-1' ? 2 : 3)
        assert.equal((await child(folder, 'roll', kind)).stdout, 'published\n')
        assert.notEqual(await sound(folder), before)
        // The key of the one that did not come back is gone.
        assert.equal(keys(folder).length, 3)
      }
    })

    it(`of the ${kind}, after the commit: whoever opens the authority has all of it`, async (t) => {
      const folder = await newAuthority(t)
      const before = await sound(folder)
      assert.equal((await child(folder, 'roll', kind, 'after-2')).signal, 'SIGKILL')
      assert.notEqual(await sound(folder), before)
      assert.equal((await child(folder, 'roll', kind)).stdout, 'rollover-underway\n')
      assert.equal((await child(folder, 'retire', kind, 'before-1')).signal, 'SIGKILL')
      assert.equal(await stepOf(folder, kind), 'published')
      await sound(folder)
      assert.equal(keys(folder).length, 3)
      assert.equal((await child(folder, 'retire', kind, 'after-1')).signal, 'SIGKILL')
      assert.equal(await stepOf(folder, kind), 'retired')
      await sound(folder)
      assert.equal(keys(folder).length, 2)
      assert.equal((await child(folder, 'retire', kind)).stdout, 'rollover-missing\n')
    })
  }

  it('while the issuer renews itself: it is renewed or not, and always whole', async (t) => {
    for (const stop of ['before-1', 'after-1'] as const) {
      const folder = await newAuthority(t)
      const before = await sound(folder)
      assert.equal((await child(folder, 'upkeep', 'issuer', stop)).signal, 'SIGKILL')
      assert.equal((await sound(folder)) === before, stop === 'before-1')
    }
  })
})

describe('rollovers by several processes at once', () => {
  for (const kind of KINDS) {
    it(`of the ${kind}: one gets through, the others are refused by name`, async (t) => {
      const folder = await newAuthority(t)
      const outputs = await Promise.all([1, 2, 3].map(async () => child(folder, 'roll', kind)))
      const printed = outputs.map(({ stdout }) => stdout).toSorted()
      assert.deepEqual(printed, ['published\n', 'rollover-underway\n', 'rollover-underway\n'])
      await sound(folder)
      assert.equal(keys(folder).length, 3)
      const ends = await Promise.all([1, 2].map(async () => child(folder, 'retire', kind)))
      for (const { stdout } of ends) assert.match(stdout, /^(retired|rollover-missing)\n$/)
      await sound(folder)
      assert.equal(keys(folder).length, 2)
    })
  }

  it('of issuers under a root that goes at the same time: each is refused or done, never half', async (t) => {
    const folder = await newAuthority(t)
    const outputs = await Promise.all([
      child(folder, 'roll', 'root'),
      child(folder, 'roll', 'issuer'),
      child(folder, 'upkeep', 'issuer'),
    ])
    for (const { stdout } of outputs) {
      assert.match(stdout, /^(published|renewed|none|rollover-underway)\n$/)
    }
    await sound(folder)
  })
})

/** Runs the child to its end, whatever that is. */
async function child(
  folder: string,
  ...args: readonly string[]
): Promise<{ signal: string | null; stdout: string }> {
  await using command = startCommand(
    process.execPath,
    childArguments('roll.ts', sqliteUrl(folder), folder, ...args),
  )
  const { signal } = await command.ended
  return { signal, stdout: command.stdout() }
}

async function newAuthority(scope: Parameters<typeof temporaryFolder>[0]): Promise<string> {
  const folder = temporaryFolder(scope)
  await using store = await openStore(sqliteUrl(folder))
  await initAuthority({ store, folder })
  return folder
}

/**
 * Opens the authority and holds database, folder and what is issued against each other.
 *
 * @returns what clients trust and who signs, to tell whether it has changed
 */
async function sound(folder: string): Promise<string> {
  await using store = await openStore(sqliteUrl(folder))
  const authority = await openAuthority({ store, folder })
  const { chain } = await authority.issue(serverRequest())
  const [leaf, ...intermediates] = chain
  for (const root of authority.roots) {
    const { ok } = verifyChain({
      leaf,
      intermediates,
      roots: [root],
      purpose: 'server',
      name: { dns: 'api.corp.internal' },
    })
    assert.equal(ok, true, root.subject.toString())
  }
  assert.equal(readFileSync(path.join(folder, 'roots.pem'), 'utf8'), authority.rootsPem)
  const lists = await authority.crl()
  assert.equal(new Set(lists.map(({ ca }) => ca)).size, lists.length)
  for (const name of keys(folder)) {
    // Each root has its own.
    const own = name.startsWith('root') ? name.replace('.key', '.passphrase') : 'passphrase'
    const passphrase = readFileSync(path.join(folder, own), 'utf8').trim()
    PrivateKey.parse(readFileSync(path.join(folder, name), 'utf8'), { passphrase })
  }
  assert.deepEqual(strangers(folder), [])
  return [...authority.roots, ...chain.slice(1)].map((one) => one.fingerprint).join(' ')
}

async function stepOf(folder: string, kind: 'root' | 'issuer'): Promise<string | undefined> {
  await using store = await openStore(sqliteUrl(folder))
  const authority = await openAuthority({ store, folder })
  return (await authority.rollover(kind))?.step
}

function keys(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith('.key'))
}

/** Files that nobody should have left behind. */
function strangers(folder: string): string[] {
  return readdirSync(folder).filter(
    (name) =>
      !/^(ledger\.db.*|passphrase|roots\.pem|(root|issuer)(-\d{4}-\w{4})?\.key|root(-\d{4}-\w{4})?\.passphrase)$/.test(
        name,
      ),
  )
}
