/** What `get` and `fetch` show to a person: through a real terminal, by Python's pty module. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { after, before, describe, it } from 'node:test'
import { type Server, serve } from '@countersign/server'
import {
  outsidePython,
  runCommand,
  runProgram,
  scrubProcess,
  skipWithoutPython,
  temporaryFolder,
} from '@countersign/testkit'

scrubProcess()
const folder = temporaryFolder(after)
const roots = path.join(folder, 'roots.pem')
let server: Server

before(async () => {
  server = await serve(answer, { adhoc: true })
  writeFileSync(roots, server.adhocRoots ?? '')
})
after(async () => {
  await server.close()
})

async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url)
  if (pathname === '/evil') {
    return new Response('\u001b[31mred\u001b]0;title\u0007 \u009b2J\ttab\n', {
      headers: { 'content-type': 'text/plain' },
    })
  }
  if (pathname === '/binary') return new Response(Uint8Array.of(0, 1, 2, 255))
  if (pathname === '/broken') {
    return new Response('{"a": \u001b[31m', { headers: { 'content-type': 'application/json' } })
  }
  return Response.json({
    name: 'Ada "A"',
    age: 36,
    ok: true,
    none: null,
    tags: ['x', {}],
    e: '\u009b',
  })
}

/** Runs the program with all three streams on a terminal of 100 columns, and gives back what it showed. */
async function atTerminal(args: string[], env: Record<string, string> = {}): Promise<string> {
  const python = outsidePython() ?? ''
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const command = [process.execPath, '--conditions=@countersign/source', main, ...args]
  const { code, stdout, stderr } = await runCommand(python, ['-c', PTY, ...command], {
    env: {
      HOME: folder,
      TERM: 'xterm-256color',
      FORCE_COLOR: undefined,
      NO_COLOR: undefined,
      ...env,
    },
  })
  assert.equal(stderr, '')
  assert.equal(code, 0, stdout)
  return stdout.replaceAll('\r\n', '\n')
}

/**
 * Copies what comes from the terminal to standard output, and ends as the program ended. The program's parent holds the
 * terminal open, tells the exit code behind the output, and stays until that was read: a terminal that closes may take
 * along what nobody has read yet.
 */
const PTY = `
import fcntl, os, pty, re, struct, subprocess, sys, termios
wait, go = os.pipe()
pid, terminal = pty.fork()
if pid == 0:
    os.close(go)
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 100, 0, 0))
    code = subprocess.call(sys.argv[1:])
    os.write(1, b'\\0%d\\0' % code)
    os.read(wait, 1)
    os._exit(0)
shown = b''
while not (end := re.search(rb'\\0(-?\\d+)\\0$', shown)):
    shown += os.read(terminal, 65536)
os.close(go)
os.waitpid(pid, 0)
sys.stdout.buffer.write(shown[:end.start()])
sys.stdout.flush()
sys.exit(int(end[1]))
`

const ESC = '\u001b'
/** What takes the line of progress away. */
const CLEAR = `\r${ESC}[2K`

describe('at a terminal', { skip: skipWithoutPython() }, () => {
  it('get shows the head and formatted JSON in colours', async () => {
    const shown = await atTerminal(['get', server.url, '--ca', roots])
    assert.match(shown, new RegExp(`^${ESC}\\[32mHTTP/1\\.1 200`))
    assert.ok(shown.includes(`${ESC}[36mcontent-type${ESC}[39m: application/json\n`), shown)
    assert.ok(shown.includes(`  ${ESC}[34m"name"${ESC}[39m: ${ESC}[32m"Ada \\"A\\""${ESC}[39m,\n`))
    assert.ok(shown.includes(`  ${ESC}[34m"age"${ESC}[39m: ${ESC}[33m36${ESC}[39m,\n`))
    assert.ok(shown.includes(`    ${ESC}[32m"x"${ESC}[39m,\n    {}\n  ],\n`))
    assert.ok(shown.includes(String.raw`\u009b`), 'a control character is shown, not sent')
  })

  it('NO_COLOR takes the colours away, --body the head', async () => {
    const shown = await atTerminal(['get', server.url, '--ca', roots, '--body'], { NO_COLOR: '1' })
    assert.match(shown, /^\{\n {2}"name": "Ada \\"A\\"",\n/)
    assert.ok(!shown.includes(ESC))
  })

  it('no answer writes to the terminal', async () => {
    const evil = await atTerminal(['get', `${server.url}/evil`, '--ca', roots, '--body'])
    assert.equal(evil, `\\u001b[31mred\\u001b]0;title\\u0007 \\u009b2J    tab\n`)
    const broken = await atTerminal(['get', `${server.url}/broken`, '--ca', roots, '--body'])
    assert.equal(broken, '{"a": \\u001b[31m\n')
    const binary = await atTerminal(['get', `${server.url}/binary`, '--ca', roots, '--body'])
    assert.equal(binary, '4 bytes that are no text: write them to a file with --download FILE\n')
  })

  it('fetch keeps a line of progress and leaves the last one standing', async () => {
    const urls = Array.from({ length: 5 }, (_, index) => `${server.url}/${index}`)
    const shown = await atTerminal(['fetch', ...urls, '--ca', roots])
    assert.match(shown.replaceAll(CLEAR, '|'), /\|5 of 5, 0 failed {2}[\d.]+\/s {2}in [\d.]+ s\n$/)
    const lines = shown
      .replaceAll(CLEAR, '\n')
      .split('\n')
      .filter((line) => line.startsWith('{'))
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).url),
      urls,
    )
  })

  it('download leaves one line with what was saved', async () => {
    const file = path.join(folder, 'saved.json')
    const shown = await atTerminal(['get', server.url, '--ca', roots, '--download', file])
    assert.match(shown, /saved\.json: \d+ bytes\n$/)
  })
})

describe('in a pipe', () => {
  it('the bytes are those that came in', async () => {
    const { stdout, stderr } = await runProgram(['get', `${server.url}/evil`, '--ca', roots])
    assert.equal(stderr, '')
    assert.equal(stdout, '\u001b[31mred\u001b]0;title\u0007 \u009b2J\ttab\n')
  })

  it('head prints the head, because there is nothing else', async () => {
    const { stdout, stderr } = await runProgram(['head', server.url, '--ca', roots])
    assert.equal(stderr, '')
    assert.match(stdout, /^HTTP\/1\.1 200.*\n(?:[\w-]+: .*\n)+\n$/)
  })

  it('fetch shows no progress', async () => {
    const { stdout, stderr } = await runProgram(['fetch', server.url, '--ca', roots])
    assert.equal(stderr, '')
    assert.equal(stdout.trim().split('\n').length, 1)
  })
})
