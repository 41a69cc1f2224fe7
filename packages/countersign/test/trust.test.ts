import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { serve } from '@countersign/server'
import {
  outsidePython,
  runCommand,
  runProgram,
  skipWithout,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { Certificate } from '@countersign/x509'
import { initAuthority } from './identity-files.ts'

const folder = temporaryFolder(after)
let data = ''
let bundle = ''
before(async () => {
  data = await initAuthority(folder)
  bundle = path.join(folder, 'bundle.pem')
  const { code, stderr } = await runProgram(['trust', 'bundle', '--data', data, '--out', bundle])
  assert.equal(code, 0, stderr)
})

describe('countersign trust', () => {
  it('list says where each root comes from', async () => {
    const { code, stdout, stderr } = await runProgram(['trust', 'list', '--data', data])
    assert.match(stdout, /^data folder +1 +\S+roots\.pem$/m)
    assert.doesNotMatch(stdout, /option (?:ca|extraCa)/)
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^SOURCE +ROOTS +PATH$/m)
    assert.match(stdout, new RegExp(`1 +${data}`))
    assert.match(stdout, /^\d+ roots, SHA-256 [0-9a-f]{64}$/m)
  })

  it('bundle adds our root to those of the system (SEEDS C4)', () => {
    const roots = Certificate.parseAll(readFileSync(bundle), bundle)
    const [own] = Certificate.parseAll(readFileSync(path.join(data, 'roots.pem')), 'roots.pem')
    assert.ok(roots.length > 100, String(roots.length))
    assert.ok(roots.some(({ fingerprint }) => fingerprint === own?.fingerprint))
    assert.equal(new Set(roots.map(({ fingerprint }) => fingerprint)).size, roots.length)
  })

  it('bundle --ca holds only what it names', async () => {
    const { stdout } = await runProgram(['trust', 'bundle', '--ca', path.join(data, 'roots.pem')])
    assert.equal(Certificate.parseAll(stdout, 'the bundle').length, 1)
  })

  it('env makes curl and python3 trust the same roots (SEEDS C4)', {
    skip: skipWithout('curl', 'sh'),
  }, async () => {
    const authority = testAuthority()
    const { chainPem, keyPem } = authority.issue({ names: ['localhost'] })
    await using server = await serve(() => new Response('trusted'), { cert: chainPem, key: keyPem })
    const own = path.join(folder, 'own.pem')
    writeFileSync(own, authority.rootPem)
    const url = `https://localhost:${server.port}/`
    const printed = await runProgram(['trust', 'env', own])
    assert.equal(printed.code, 0, printed.stderr)
    const run = async (command: string) => runCommand('sh', ['-c', `${printed.stdout}\n${command}`])
    assert.equal((await run(`curl -sS ${url}`)).stdout, 'trusted')
    const python = outsidePython()
    if (python === undefined) return
    const script = `import urllib.request; print(urllib.request.urlopen('${url}').read().decode())`
    const { stdout, stderr } = await run(`${python} -c "${script}"`)
    assert.equal(stdout.trim(), 'trusted', stderr)
  })

  it('env refuses a bundle that is not there or holds no certificate', async () => {
    const missing = await runProgram(['trust', 'env', path.join(folder, 'nowhere')])
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /nowhere is not there/)
    const garbage = path.join(folder, 'garbage')
    writeFileSync(garbage, 'garbage')
    assert.equal((await runProgram(['trust', 'env', garbage])).code, 1)
    assert.ok(existsSync(garbage))
  })
})

describe('countersign user', () => {
  it('adds, lists, disables and enables, and makes a one-time code where nobody can type a password', async () => {
    const added = await runProgram([
      'user',
      'add',
      'Ada',
      '--role',
      'admin',
      '--data',
      data,
      '--json',
    ])
    assert.equal(added.code, 0, added.stderr)
    const { code, expiresInSeconds, password } = JSON.parse(added.stdout)
    assert.match(code, /^(?:[0-9A-Z]{5}-){3}[0-9A-Z]{5}$/)
    assert.ok(expiresInSeconds > 86_000 && expiresInSeconds <= 86_400)
    assert.equal(password, undefined)
    await runProgram(['user', 'add', 'bob', '--data', data])
    await runProgram(['user', 'disable', 'BOB', '--data', data])
    const list = JSON.parse((await runProgram(['user', 'list', '--data', data, '--json'])).stdout)
    assert.partialDeepStrictEqual(list, [
      { name: 'Ada', roles: ['admin'], status: 'active' },
      { name: 'bob', roles: [], status: 'disabled' },
    ])
    assert.doesNotMatch(JSON.stringify(list), new RegExp(code))
    const enabled = await runProgram(['user', 'enable', 'bob', '--data', data])
    assert.equal(enabled.code, 0)
  })

  it('refuses a name that is taken, a weak password and a user who is not there', async () => {
    await runProgram(['user', 'add', 'carol', '--data', data])
    const cases: [string[], RegExp, string?][] = [
      [['add', 'Carol'], /carol/i],
      [['add', 'dave', '--password-stdin'], /password/, 'hunter2\n'],
      [['add', 'dave', '--password-stdin'], /password/, '\n'],
      [['disable', 'nobody'], /nobody/],
      [['password', 'carol'], /no terminal[\s\S]*countersign user reset carol/],
      [['add', 'dave', '--code', '--password-stdin'], /leave --code out/],
      [['add', 'dave', '--code', '--service'], /leave --code out, or --service/],
      [['password', 'nobody', '--password-stdin'], /nobody/, 'correct horse battery staple\n'],
    ]
    for (const [args, words, input] of cases) {
      const { code, stderr } = await runProgram(['user', ...args, '--data', data], { input })
      assert.notEqual(code, 0, args.join(' '))
      assert.match(stderr, words)
      assert.doesNotMatch(stderr, /\n\s+at |hunter2/)
    }
  })
})
