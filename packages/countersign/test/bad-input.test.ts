import assert from 'node:assert/strict'
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { describe, it } from 'node:test'
import { Session } from '@countersign/client'
import {
  type CommandResult,
  outsideTool,
  runCommand,
  runProgram,
  scrubProcess,
  temporaryFolder,
} from '@countersign/testkit'
import { buildCertificate, Name, PrivateKey } from '@countersign/x509'
import { initAuthority, issue } from './identity-files.ts'
import { printable, table } from '../src/output.ts'
import { startUp } from './running-service.ts'

scrubProcess()

/** A refusal in words: one fault, one way out, no stack trace. */
function assertRefused(result: CommandResult, code: number, fault: RegExp): void {
  assert.equal(result.code, code, result.stderr)
  assert.match(result.stderr, /^error: /)
  assert.match(result.stderr, fault)
  assert.match(result.stderr, /\nhint: /)
  assert.doesNotMatch(result.stderr, /\n\s+at /)
}

describe('countersign up refuses to start', () => {
  it('on a port that is in use', async (t) => {
    const taken = createServer().listen(0, '127.0.0.1')
    t.after(() => taken.close())
    await new Promise((resolve) => taken.once('listening', resolve))
    const address = taken.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const data = temporaryFolder(t)
    const result = await runProgram(['up', '--data', data, '--listen', `127.0.0.1:${port}`])
    assertRefused(result, 1, new RegExp(`port ${port} of 127\\.0\\.0\\.1 is in use`))
  })

  it('in a folder that cannot be made', async (t) => {
    const file = path.join(temporaryFolder(t), 'file')
    writeFileSync(file, '')
    assertRefused(
      await runProgram(['up', '--data', path.join(file, 'data')]),
      1,
      /cannot use .*file/,
    )
  })

  it('in a folder that is not its own to write', async (t) => {
    if (process.getuid?.() === 0) {
      t.skip('needs an ordinary user: root may write everywhere')
      return
    }
    const folder = temporaryFolder(t)
    chmodSync(folder, 0o500)
    assertRefused(await runProgram(['up', '--data', path.join(folder, 'data')]), 1, /cannot use/)
  })

  it('with a wrong passphrase, and nothing is changed', async (t) => {
    const data = await initAuthority(temporaryFolder(t))
    const file = path.join(data, 'passphrase')
    const key = readFileSync(path.join(data, 'issuer.key'), 'utf8')
    writeFileSync(file, 'wrong\n')
    const result = await runProgram([
      'issue',
      'a.internal',
      '--data',
      data,
      '--out',
      path.join(data, 'out'),
    ])
    assertRefused(result, 1, /passphrase/)
    assert.equal(readFileSync(path.join(data, 'issuer.key'), 'utf8'), key)
    assert.ok(!readdirSync(data).includes('out'))
  })

  it('on a corrupt database, and leaves it as it is', async (t) => {
    const data = await initAuthority(temporaryFolder(t))
    const file = path.join(data, 'countersign.db')
    rmSync(`${file}-wal`, { force: true })
    rmSync(`${file}-shm`, { force: true })
    const garbage = Buffer.alloc(8192, 'garbage ')
    writeFileSync(file, garbage)
    assertRefused(
      await runProgram(['up', '--data', data, '--listen', '127.0.0.1:0']),
      1,
      /countersign\.db/,
    )
    assert.deepEqual(readFileSync(file), garbage)
  })

  it('where the database is gone, and makes no empty one in its place', async (t) => {
    const data = await initAuthority(temporaryFolder(t))
    for (const name of readdirSync(data).filter((file) => file.startsWith('countersign.db'))) {
      rmSync(path.join(data, name))
    }
    for (const args of [['up', '--listen', '127.0.0.1:0'], ['certs'], ['user', 'list']]) {
      assertRefused(
        await runProgram([...args, '--data', data]),
        1,
        /has an authority, but not its database/,
      )
    }
    assert.ok(!readdirSync(data).includes('countersign.db'))
  })

  it('in a folder that others use, and does not close it to them', async (t) => {
    const folder = temporaryFolder(t)
    writeFileSync(path.join(folder, 'theirs'), '')
    for (const mode of [0o755, 0o1777]) {
      chmodSync(folder, mode)
      for (const command of ['up', 'init']) {
        assertRefused(await runProgram([command, '--data', folder]), 1, /others can enter/)
      }
      assert.equal(statSync(folder).mode & 0o7777, mode)
    }
    assert.deepEqual(readdirSync(folder), ['theirs'])
  })

  it('on a lock that is none, without taking it for a running service', async (t) => {
    const data = await initAuthority(temporaryFolder(t))
    const lock = path.join(data, 'up.lock')
    const up = ['up', '--data', data, '--listen', '127.0.0.1:0']
    writeFileSync(lock, 'garbage garbage garbage')
    assertRefused(await runProgram(up), 1, /cannot lock .*up\.lock/)
    rmSync(lock)
    mkdirSync(lock)
    assertRefused(await runProgram(up), 1, /cannot lock .*up\.lock/)
  })

  it('beside a running one whose record is damaged', async (t) => {
    await using service = await startUp(path.join(temporaryFolder(t), 'data'))
    const { data } = service
    writeFileSync(path.join(data, 'service.json'), '{')
    assertRefused(await runProgram(['up', '--data', data]), 1, /a service already runs/)
  })

  it('on a database that does not answer, and does not keep its address', async (t) => {
    const data = path.join(temporaryFolder(t), 'data')
    const url = 'postgres://nobody:secret@127.0.0.1:1/none'
    for (const command of ['up', 'init']) {
      const env = { COUNTERSIGN_DATABASE: url }
      const result = await runProgram([command, '--data', data], { env })
      assertRefused(result, 1, /127\.0\.0\.1/)
      assert.doesNotMatch(result.stderr, /secret/)
      assert.ok(!readdirSync(data).includes('countersign.toml'))
    }
  })

  it('under a clock before 2024', async (t) => {
    const faketime = outsideTool('faketime')
    if (faketime === undefined) {
      t.skip('needs faketime')
      return
    }
    const data = path.join(temporaryFolder(t), 'data')
    const main = new URL('../src/main.ts', import.meta.url).pathname
    const result = await runCommand(faketime, [
      '2001-01-01',
      process.execPath,
      '--conditions=@countersign/source',
      main,
      'up',
      '--data',
      data,
    ])
    assertRefused(result, 1, /clock says 2001/)
  })

  it('with settings that it does not know', async (t) => {
    const data = await initAuthority(temporaryFolder(t))
    writeFileSync(path.join(data, 'countersign.toml'), 'lisen = "127.0.0.1:1"\n')
    assertRefused(await runProgram(['up', '--data', data]), 1, /countersign\.toml.*lisen/)
    writeFileSync(path.join(data, 'countersign.toml'), 'listen = \n')
    const result = await runProgram(['up', '--data', data])
    assert.match(result.stderr, /countersign\.toml, line 1, column \d+: not valid TOML/)
  })
})

describe('a disk that is full', () => {
  it('stops init with a clear message, and the next init finishes the work', async (t) => {
    const sh = outsideTool('sh')
    if (sh === undefined) {
      t.skip('needs sh')
      return
    }
    const data = path.join(temporaryFolder(t), 'data')
    const main = new URL('../src/main.ts', import.meta.url).pathname
    // A limit on the size of files fails a write as a full disk does, with EFBIG for ENOSPC.
    for (const blocks of [0, 1, 2, 8, 32]) {
      const result = await runCommand(sh, [
        '-c',
        `trap '' XFSZ; ulimit -f ${blocks}; exec "$0" --conditions=@countersign/source "$@"`,
        process.execPath,
        main,
        'init',
        '--data',
        data,
      ])
      assert.notEqual(result.code, 0, `init succeeded with files of ${blocks} blocks`)
      assert.match(result.stderr, /error: /)
      assert.doesNotMatch(result.stderr, /\n\s+at /)
    }
    const finished = await runProgram(['init', '--data', data])
    assert.equal(finished.code, 0, finished.stderr)
    const issued = await runProgram(['issue', 'a.internal', '--data', data, '--out', data])
    assert.equal(issued.code, 0, issued.stderr)
    assert.deepEqual(
      readdirSync(data).filter((name) => name.endsWith('.tmp')),
      [],
    )
  })
})

describe('a running service', () => {
  it('answers what is hostile with a problem, and goes on', async (t) => {
    await using service = await startUp(temporaryFolder(t))
    await using session = new Session({ baseUrl: service.url, ca: service.roots })
    const cases: [string, number, Parameters<Session['post']>[1]][] = [
      [
        '/login',
        413,
        { body: 'a'.repeat(1024 * 1024), headers: { 'content-type': 'application/json' } },
      ],
      [
        '/login',
        400,
        {
          body: Uint8Array.of(0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d),
          headers: { 'content-type': 'application/json' },
        },
      ],
      ['/login', 400, { body: '{"username":', headers: { 'content-type': 'application/json' } }],
      ['/login', 415, { body: 'x', headers: { 'content-type': 'text/plain' } }],
      ['/login', 401, { json: { username: 'nobody', password: 'not the password' } }],
      ['/nowhere', 404, { json: {} }],
    ]
    for (const [route, status, options] of cases) {
      const response = await session.post(route, options)
      const text = await response.text()
      assert.equal(response.status, status, `${route}: ${response.status} ${text}`)
      const problem = JSON.parse(text)
      assert.equal(problem.status, status)
      assert.ok(problem.code)
    }
    assert.equal((await session.get('/healthz')).status, 200)
  })
})

describe('a list', () => {
  it('has a line for each row, whatever stands in its cells, and turns no direction', () => {
    const rows = [
      ['NAME', 'LABEL'],
      ['eve', 'x\nroot  an administrator'],
      ['bob', '\u200f\u061ca\u202eb\u2028c\r\u009b31m'],
    ]
    const text = table(rows)
    assert.equal(text.split('\n').length, 3)
    assert.equal(printable(text), text)
    assert.doesNotMatch(text, /[\u061c\u200f\u202e]/)
    assert.match(text, /\\u000aroot/)
  })
})

describe('a name in somebody else’s certificate', () => {
  it('does not write to the terminal of who looks at it', async (t) => {
    const file = path.join(temporaryFolder(t), 'hostile.pem')
    const key = PrivateKey.generateSync('p256')
    const name = Name.from({ commonName: 'QQQQcleared' })
    const template = {
      subject: name,
      issuer: name,
      publicKey: key.publicKey,
      notBefore: new Date(),
      notAfter: new Date(Date.now() + 3_600_000),
      subjectAltNames: [{ type: 'dns', value: 'a.internal' } as const],
    }
    // Ours builds no such name: another's does.
    const der = Buffer.from(buildCertificate(template, key.signer()).der)
    for (let at = der.indexOf('QQQQ'); at >= 0; at = der.indexOf('QQQQ')) der.write('\u001b[2J', at)
    writeFileSync(file, der)
    const { code, stdout } = await runProgram(['show', file])
    assert.equal(code, 0)
    assert.match(stdout, /cleared/)
    // oxlint-disable-next-line no-control-regex -- they are what this is about
    assert.doesNotMatch(stdout, /\u001b/)
  })
})

describe('a call that is not trusted', () => {
  it('says why and what to do, and exits 3', async (t) => {
    await using service = await startUp(temporaryFolder(t))
    const result = await runProgram(['get', `${service.url}/healthz`])
    assertRefused(result, 3, /not|issuer|root/)
    assert.doesNotMatch(result.stderr, /verify no|verify=|insecure|-k\b/)
    const json = await runProgram(['get', `${service.url}/healthz`, '--json'])
    assert.match(JSON.parse(json.stdout).code, /^(untrusted-root|missing-intermediate)$/)
  })

  it('exits 4 where the service refuses, 5 where nobody listens', async (t) => {
    await using service = await startUp(temporaryFolder(t))
    const refused = await runProgram(['get', `${service.url}/auth/session`, '--ca', service.roots])
    assert.equal(refused.code, 4, refused.stderr)
    await service.command.stop()
    const gone = await runProgram(['get', `${service.url}/healthz`, '--ca', service.roots])
    assertRefused(gone, 5, /refused|connect/)
  })

  it('an expired authority is named', async (t) => {
    const data = await initAuthority(temporaryFolder(t))
    const faketime = outsideTool('faketime')
    if (faketime === undefined) {
      t.skip('needs faketime')
      return
    }
    await issue(data, data, 'a.internal')
    const main = new URL('../src/main.ts', import.meta.url).pathname
    const result = await runCommand(faketime, [
      '+12 years',
      process.execPath,
      '--conditions=@countersign/source',
      main,
      'issue',
      'b.internal',
      '--data',
      data,
    ])
    assertRefused(result, 1, /Root .* ended at 2036/)
  })
})
