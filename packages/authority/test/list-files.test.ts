/** Files of long lists: written once for all who want one, and nothing of a writer that was killed stays. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { runCommand, scrubProcess, temporaryFolder } from '@countersign/testkit'
import { ListFiles } from '../src/list-files.ts'
import { ListSpool } from '../src/list-spool.ts'
import { temporaryName } from '../src/list-temporary.ts'

scrubProcess()

const data = temporaryFolder(after)
const files = new ListFiles(data)
const folder = files.folder()
const NAME = 'issuer-2030-a1b2'

describe('the file of a long list', () => {
  it('is written once for a hundred who miss it at the same time, and again where it is cut off', async () => {
    const file = files.place(NAME, 7)
    let writers = 0
    async function* parts(): AsyncIterable<Uint8Array> {
      writers++
      for (let part = 0; part < 50; part++) yield Buffer.alloc(1000, part)
    }
    const ask = async (): Promise<void> => files.ensure(file, 50_000, parts)
    await Promise.all(Array.from({ length: 100 }, ask))
    await ask()
    assert.equal(writers, 1)
    assert.equal(readFileSync(file).length, 50_000)
    writeFileSync(file, 'cut off')
    await Promise.all(Array.from({ length: 100 }, ask))
    assert.equal(writers, 2)
    assert.equal(readFileSync(file).length, 50_000)
    assert.deepEqual(readdirSync(folder), [`${NAME}-7.crl`])
    await files.remove(file)
  })

  it('that cannot be written fails for all who wait for it, leaves nothing, and is tried again', async () => {
    const file = files.place(NAME, 8)
    let writers = 0
    async function* spoilt(): AsyncIterable<Uint8Array> {
      writers++
      yield Buffer.alloc(1000)
      throw new Error('the database has gone')
    }
    const asked = Array.from({ length: 100 }, async () => files.ensure(file, 2000, spoilt))
    const told = await Promise.allSettled(asked)
    assert.ok(told.every((one) => one.status === 'rejected'))
    assert.equal(writers, 1)
    assert.deepEqual(readdirSync(folder), [])
    await assert.rejects(files.ensure(file, 2000, spoilt), /the database has gone/)
    assert.equal(writers, 2)
  })
})

describe('what a writer leaves that was killed', () => {
  it('goes at the next look, and what another is writing stays', async () => {
    await using spool = new ListSpool(() => folder)
    await spool.fill(oneLong())
    const own = readdirSync(folder)
    assert.equal(own.length, 1)
    const script = `
      import { ListSpool } from './src/list-spool.ts'
      const spool = new ListSpool(() => process.argv[1])
      await spool.fill([new Uint8Array(2_000_000)])
      process.exit(0)`
    const options = ['--conditions=@countersign/source', '--input-type=module', '-e', script]
    await runCommand(process.execPath, [...options, folder], {
      cwd: new URL('..', import.meta.url).pathname,
    })
    assert.equal(readdirSync(folder).length, 2)
    // The same number of a process, in the container that ran before this one.
    const [machine = '', pid = ''] = temporaryName().slice(1).split('-')
    writeFileSync(path.join(folder, `.${machine}-${pid}-000000000000-000000000000.tmp`), '')
    await files.tidyAll(new Map())
    assert.deepEqual(readdirSync(folder), own)
  })

  it('has an hour where nobody can know: on another machine, or as a list that is not in the database', async () => {
    const unknown = ['.ffffffff-1-a-b.tmp', '.0123456789ab.tmp', `${NAME}-9.crl`, 'other-3.crl']
    for (const name of unknown) writeFileSync(path.join(folder, name), 'x')
    for (const name of [`${NAME}-4.crl`, `${NAME}-5.crl`])
      writeFileSync(path.join(folder, name), '')
    const newest = new Map([[NAME, 5]])
    await files.tidyAll(newest)
    assert.deepEqual(readdirSync(folder).toSorted(), [...unknown, `${NAME}-5.crl`].toSorted())
    const before = (Date.now() - 3_700_000) / 1000
    for (const name of readdirSync(folder)) utimesSync(path.join(folder, name), before, before)
    await files.tidyAll(newest)
    assert.deepEqual(readdirSync(folder), [`${NAME}-5.crl`])
  })
})

async function* oneLong(): AsyncIterable<Uint8Array> {
  yield new Uint8Array(2_000_000)
}
