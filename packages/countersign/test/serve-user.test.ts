import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { get } from '@countersign/client'
import {
  runCommand,
  runProgram,
  scrubProcess,
  startProgram,
  temporaryFolder,
} from '@countersign/testkit'
import { type IdentityFiles, initAuthority, issue } from './identity-files.ts'

scrubProcess()

const folder = temporaryFolder(after)
const site = path.join(folder, 'site')
let server: IdentityFiles

before(async () => {
  mkdirSync(site)
  writeFileSync(path.join(site, 'index.html'), 'a page\n')
  const data = await initAuthority(folder)
  server = await issue(data, folder, 'localhost')
  chmodSync(folder, 0o755)
})

function args(...more: string[]): string[] {
  const own = ['--https', '--cert', server.certificate, '--key', server.key]
  return ['serve', site, '--listen', '127.0.0.1:0', ...own, ...more]
}

async function page(url: string): Promise<number> {
  const response = await get(url.replace('127.0.0.1', 'localhost'), {
    ca: server.roots,
    connectTimeoutMs: 0,
    timeoutMs: 120_000,
  })
  await response.text()
  return response.status
}

/** The real, effective, saved and file-system id of a process, and its groups. */
function idsOf(pid: number): { users: string[]; groups: string[]; capabilities: string } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name: string): string =>
    new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? ''
  return {
    users: field('Uid').split(/\s+/),
    groups: [...field('Gid').split(/\s+/), ...field('Groups').trim().split(/\s+/)],
    capabilities: field('CapEff'),
  }
}

/** The user that every Linux has and that owns nothing; `false` where this is a test for root. */
const SKIP =
  process.platform !== 'linux' ? 'needs Linux' : process.geteuid?.() === 0 ? false : 'needs root'

describe('serve --user', { skip: SKIP }, () => {
  it('serves as that user, without a way back, and says what it cannot read again', async () => {
    const nobody = Number((await runCommand('id', ['-u', 'nobody'])).stdout)
    await using command = startProgram(args('--user', 'nobody'), { cwd: folder })
    const [, url = ''] = await command.waitForOutput(/listening on (\S+)/)
    const { users, groups, capabilities } = idsOf(command.child.pid ?? 0)
    assert.deepEqual(new Set(users), new Set([String(nobody)]))
    assert.equal(groups.includes('0'), false)
    assert.match(capabilities, /^0+$/)
    assert.match(
      command.stderr(),
      /nobody cannot read \S+localhost\.key: it will not be read again/,
    )
    assert.equal(await page(url), 200)
    assert.equal(await command.stop(), 0)
  })

  it('refuses workers that could not read the key', async () => {
    const { code, stderr } = await runProgram(args('--user', 'nobody', '--workers', '2'))
    assert.equal(code, 1)
    assert.match(stderr, /nobody cannot read \S+localhost\.key/)
    assert.match(stderr, /chmod g\+r/)
  })

  it('runs the first process and every worker as that user', async () => {
    chmodSync(server.key, 0o644)
    await using command = startProgram(args('--user', 'nobody', '--workers', '2', '--json'), {
      cwd: folder,
    })
    const [, text = ''] = await command.waitForOutput(/^(\{.*\})$/ms)
    const said: { url: string; workers: number[] } = JSON.parse(text)
    for (const pid of [command.child.pid ?? 0, ...said.workers]) {
      assert.equal(idsOf(pid).users.includes('0'), false)
    }
    process.kill(said.workers[0] ?? 0, 'SIGKILL')
    await command.waitForOutput(/worker \d+ ended \(SIGKILL\): replaced/)
    assert.equal(await page(said.url), 200)
    assert.equal(await command.stop(), 0)
    chmodSync(server.key, 0o600)
  })

  it('refuses root, and who is nobody', async () => {
    for (const [user, message] of [
      ['root', /--user names root/],
      ['nobody:root', /--user names root/],
      ['no-such-user-here', /there is no user no-such-user-here/],
      ['nobody:no-such-group', /there is no group no-such-group/],
      ['--oops', /is no name of a user/],
    ] as const) {
      const { code, stderr } = await runProgram(args(`--user=${user}`))
      assert.equal(code, 2, stderr)
      assert.match(stderr, message)
    }
  })
})

describe('serve --user, for somebody else', {
  skip: SKIP === false ? 'is for ordinary users' : false,
}, () => {
  it('is refused to whoever has nothing to give up', async () => {
    const { code, stderr } = await runProgram(args('--user', 'nobody'))
    assert.equal(code, 1)
    assert.match(stderr, /only root can become another user/)
  })
})
