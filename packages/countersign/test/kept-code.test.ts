import assert from 'node:assert/strict'
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { type CommandResult, runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'

scrubProcess()

const home = temporaryFolder(after)
const empty = temporaryFolder(after)
const folder = path.join(home, '.cache', 'countersign')
const file = path.join(folder, 'help.code')

describe('what the shipped program keeps between runs', {
  skip: process.platform === 'win32',
}, () => {
  it('is this user’s alone, and stays as it is once it is there', async () => {
    assert.equal((await run('--version')).code, 0)
    assert.deepEqual(readdirSync(folder), ['help.code'])
    assert.deepEqual([modeOf(folder), modeOf(file)], [0o700, 0o600])
    const before = statSync(file).ino
    assert.equal((await run('--version')).code, 0)
    assert.equal(statSync(file).ino, before)
  })

  it('is made anew where it is damaged', async () => {
    const whole = readFileSync(file)
    const damaged = Buffer.from(whole)
    damaged.fill(0, damaged.length - 1000)
    writeFileSync(file, damaged)
    const { code, stdout } = await run('--version')
    assert.deepEqual([code, /^\d+\.\d+\.\d+\n$/.test(stdout)], [0, true])
    assert.notDeepEqual(readFileSync(file), damaged)
  })

  it('is made anew where others could have written it', async () => {
    chmodSync(file, 0o666)
    assert.equal((await run('--version')).code, 0)
    assert.equal(modeOf(file), 0o600)
  })

  it('is made anew for another build', async () => {
    const own = readFileSync(file, 'latin1')
    const other = own.replace(/"build":"[^"]*"/, '"build":"of another build"')
    writeFileSync(file, other, 'latin1')
    assert.equal((await run('--version')).code, 0)
    assert.ok(!readFileSync(file, 'latin1').startsWith('{"build":"of another build"'))
  })

  it('is not there for a command that was mistyped, nor where the folder is open to others', async () => {
    assert.equal((await run('isue')).code, 2)
    assert.deepEqual(readdirSync(folder), ['help.code'])
    chmodSync(folder, 0o777)
    assert.equal((await run('needs-renewal', 'absent.crt')).code, 2)
    assert.deepEqual(readdirSync(folder), ['help.code'])
    chmodSync(folder, 0o700)
  })

  it('is not missed without a home folder, nor where it is not wanted', async () => {
    const absent = path.join(home, 'absent')
    assert.equal((await run('--version', { HOME: absent })).code, 0)
    assert.equal(existsSync(absent), false)
    assert.equal((await run('--version', { HOME: empty, NODE_DISABLE_COMPILE_CACHE: '1' })).code, 0)
    assert.deepEqual(readdirSync(empty), [])
  })
})

async function run(...args: (string | Record<string, string>)[]): Promise<CommandResult> {
  const words = args.filter((one) => typeof one === 'string')
  const env = args.find((one) => typeof one === 'object')
  return runProgram(words, { shipped: true, env: { HOME: home, ...env } })
}

function modeOf(name: string): number {
  return statSync(name).mode & 0o777
}
