import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import {
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { after, beforeEach, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { outsideTool, scrubProcess, skipWithout, temporaryFolder } from '@countersign/testkit'

scrubProcess()

const run = promisify(execFile)
const folder = temporaryFolder(after)
const home = path.join(folder, 'home')
const bundle = path.join(folder, 'bundle')
const start = path.join(folder, 'start.cjs')
const program = path.join(bundle, 'program.cjs')
const cache = path.join(home, '.cache', 'countersign')
const kept = path.join(cache, 'help.code')
const loader = path.resolve(import.meta.dirname, '../bin/load.js')

describe('a loader of kept code, where others would like to be run', {
  skip: process.platform === 'win32',
}, () => {
  beforeEach(() => {
    for (const name of [home, bundle]) rmSync(name, { recursive: true, force: true })
    for (const name of [home, bundle]) mkdirSync(name, { mode: 0o700 })
    writeFileSync(
      start,
      `require(${JSON.stringify(loader)}).load(process.env.BUNDLE, 'program.cjs')`,
    )
    writeFileSync(path.join(bundle, 'build-id'), 'one')
    writeFileSync(program, "process.stdout.write('one')")
  })

  it('runs what was mended by hand, though it is as long as before', async () => {
    assert.equal(await outcome(), 'one')
    assert.ok(existsSync(kept))
    writeFileSync(program, "process.stdout.write('two')")
    utimesSync(program, 1, 1)
    assert.equal(await outcome(), 'two')
  })

  it('writes through no link that lies where it writes', async () => {
    const victim = path.join(folder, 'victim')
    writeFileSync(victim, 'precious')
    assert.equal(await outcome(), 'one')
    rmSync(kept)
    const place = `${JSON.stringify(kept)} + '.' + process.pid + '.tmp'`
    writeFileSync(
      program,
      `require('fs').symlinkSync(${JSON.stringify(victim)}, ${place});process.stdout.write('one')`,
    )
    assert.equal(await outcome(), 'one')
    assert.equal(readFileSync(victim, 'utf8'), 'precious')
    assert.deepEqual(readdirSync(cache), [])
    writeFileSync(program, "process.stdout.write('one')")
    assert.equal(await outcome(), 'one')
    assert.deepEqual(readdirSync(cache), ['help.code'])
  })

  it('keeps nothing behind a link of another user', {
    skip: process.geteuid?.() === 0 ? false : 'only root can make a file another user’s',
  }, async () => {
    const elsewhere = path.join(folder, 'elsewhere')
    mkdirSync(elsewhere, { mode: 0o700 })
    symlinkSync(elsewhere, path.join(home, '.cache'))
    lchownSync(path.join(home, '.cache'), 65_534, 65_534)
    assert.equal(await outcome(), 'one')
    assert.deepEqual(readdirSync(elsewhere), [])
  })

  it('runs nothing that is cut off at any place', async () => {
    assert.equal(await outcome(), 'one')
    const { length } = readFileSync(kept)
    for (const size of [length - 1, Math.floor(length / 2), 5, 0]) {
      truncateSync(kept, size)
      assert.equal(await outcome(), 'one')
      assert.equal(readFileSync(kept).length, length)
    }
  })

  it('waits for no named pipe', { skip: skipWithout('mkfifo') }, async () => {
    assert.equal(await outcome(), 'one')
    rmSync(kept)
    execFileSync(outsideTool('mkfifo') ?? '', [kept])
    assert.equal(await outcome(), 'one')
  })

  it('is started many times at once for the first time', async () => {
    const outcomes = await Promise.all(Array.from({ length: 12 }, outcome))
    assert.deepEqual(new Set(outcomes), new Set(['one']))
    assert.deepEqual(readdirSync(cache), ['help.code'])
    assert.equal(await outcome(), 'one')
  })
})

async function outcome(): Promise<string> {
  const env = { PATH: process.env['PATH'], HOME: home, BUNDLE: bundle }
  const { stdout, stderr } = await run(process.execPath, [start], { env, timeout: 120_000 })
  assert.equal(stderr, '')
  return stdout
}
