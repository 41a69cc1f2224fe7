import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { runProgram, temporaryFolder } from '@countersign/testkit'
import type { Command } from 'commander'
import { buildProgram } from '../src/program.ts'

const COMMANDS = [
  [],
  ['up'],
  ['init'],
  ['issue'],
  ['certs'],
  ['show'],
  ['serve'],
  ['get'],
  ['post'],
  ['fetch'],
  ['login'],
  ['logout'],
  ['password'],
  ['user'],
  ['user', 'add'],
  ['trust'],
  ['trust', 'env'],
  ['completion'],
]

describe('the help', () => {
  for (const words of COMMANDS) {
    it(`of "${['countersign', ...words].join(' ')}" fits 80 columns`, async () => {
      const { code, stdout, stderr } = await runProgram([...words, '-h'])
      assert.equal(code, 0)
      assert.equal(stderr, '')
      assert.match(stdout, /^Usage: countersign/)
      for (const line of stdout.split('\n')) assert.ok(line.length <= 80, `${line.length}: ${line}`)
    })
  }
})

describe('a command', () => {
  it('is loaded without the others, and is the same as among them', async () => {
    const whole = await buildProgram(['node', 'countersign'])
    for (const command of whole.commands) {
      if (command.name() === 'completion') continue
      const alone = await buildProgram(['node', 'countersign', command.name()])
      const same = alone.commands.find((one) => one.name() === command.name())
      assert.equal(same?.helpInformation(), command.helpInformation())
      assert.ok(alone.commands.length < whole.commands.length / 2, command.name())
    }
  })
})

describe('an option for a secret', () => {
  it('takes a file or reads standard input, never the secret itself', async () => {
    const seen: string[] = []
    const look = (command: Command, above: string): void => {
      const words = `${above} ${command.name()}`
      for (const { description, flags, long } of command.options) {
        if (!/pass(?:word|phrase)|secret|token|code|key/.test(long ?? '')) continue
        seen.push(`${words} ${flags}`)
        const takes = /<([a-z-]+)>/.exec(flags)?.[1]
        const fine = takes === undefined || takes === 'file' || /type/.test(takes)
        assert.ok(fine, `${words} ${flags}: ${description}`)
      }
      for (const below of command.commands) look(below, words)
    }
    look(await buildProgram(['node', 'countersign']), '')
    assert.ok(seen.length > 20, seen.join('\n'))
  })
})

describe('a password in an argument', () => {
  it('is told of, because others can read it; in the variable it is not', async (t) => {
    const url = 'postgres://u:hunter2@127.0.0.1:1/x'
    const folder = temporaryFolder(t)
    const words = /others on this machine can read the password in --database/
    const told = await runProgram(['init', '--data', path.join(folder, 'a'), '--database', url])
    assert.match(told.stderr, words)
    const env = { COUNTERSIGN_DATABASE: url }
    const kept = await runProgram(['init', '--data', path.join(folder, 'b')], { env })
    assert.match(kept.stderr, /nothing answers there/)
    for (const { stderr } of [told, kept]) assert.doesNotMatch(stderr, /hunter2/)
    assert.doesNotMatch(kept.stderr, words)
  })
})

describe('a mistake on the command line', () => {
  it('in a command names the one that was meant and exits 2', async () => {
    const { code, stdout, stderr } = await runProgram(['isue', 'a.internal'])
    assert.equal(code, 2)
    assert.equal(stdout, '')
    assert.match(stderr, /unknown command 'isue'/)
    assert.match(stderr, /Did you mean issue\?/)
  })

  it('in an option names the one that was meant and exits 2', async () => {
    const { code, stderr } = await runProgram(['issue', 'a.internal', '--dasy', '3'])
    assert.equal(code, 2)
    assert.match(stderr, /Did you mean --days\?/)
  })

  it('in a value says what is allowed and exits 2', async () => {
    for (const args of [
      ['issue', 'a.internal', '--days', '0'],
      ['issue', 'a.internal', '--key-type', 'rsa1024'],
      ['certs', '--expiring', 'soon'],
      ['get', 'https://localhost', '--timeout', 'long'],
      ['get', 'https://localhost', 'no-item'],
      ['get', 'ftp://localhost/'],
      ['issue', 'https://a.internal/'],
      ['issue', '--csr', 'a.csr', '--p12'],
      ['issue', 'a.internal', '--client', '--both'],
      ['issue', 'a.internal', '--legacy'],
      ['serve', '--listen', 'nowhere'],
      ['issue'],
    ]) {
      const { code, stderr } = await runProgram(args)
      assert.equal(code, 2, `${args.join(' ')}: ${stderr}`)
      assert.doesNotMatch(stderr, /\n\s+at /)
    }
  })
})

describe('without an authority', () => {
  it('every command that needs one says how to make it', async (t) => {
    const data = path.join(temporaryFolder(t), 'none')
    for (const args of [['issue', 'a.internal'], ['certs'], ['user', 'list']]) {
      const { code, stderr } = await runProgram([...args, '--data', data])
      assert.equal(code, 1)
      assert.match(stderr, /there is no authority in /)
      assert.match(stderr, new RegExp(`countersign init --data ${data}`))
    }
  })
})

describe('--json', () => {
  it('prints one JSON value on stdout, for a result and for an error', async (t) => {
    const data = path.join(temporaryFolder(t), 'data')
    const made = await runProgram(['init', '--data', data, '--json'])
    assert.equal(made.code, 0, made.stderr)
    assert.equal(JSON.parse(made.stdout).data, data)
    const again = await runProgram(['init', '--data', data, '--json'])
    assert.equal(again.code, 1)
    assert.equal(JSON.parse(again.stdout).code, 'already-initialised')
    const list = await runProgram(['certs', '--data', data, '--json'])
    assert.deepEqual(JSON.parse(list.stdout), [])
  })
})

describe('--version', () => {
  it("is the package's", async () => {
    const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
    assert.equal((await runProgram(['--version'])).stdout.trim(), manifest.version)
  })
})
