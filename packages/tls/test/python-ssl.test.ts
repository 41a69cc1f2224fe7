import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { requirePython, runCommand } from '@countersign/testkit'
import { Certificate } from '@countersign/x509'
import { authority } from './support.ts'

const root = path.join(import.meta.dirname, '../../..')
const page = readFileSync(path.join(root, 'docs/reference/python-ssl.md'), 'utf8')

interface Row {
  name: string
  ours: string
  state: string
  why: string
  test: string
}

const rows: Row[] = [...page.matchAll(/^\| (?!Python|what|---)(.*) \|$/gm)].map(([, row = '']) => {
  const [name = '', ours = '', state = '', why = '', test = ''] = row
    .split('|')
    .map((cell) => cell.trim())
  return { name: name.replaceAll('`', ''), ours, state, why, test }
})

/** The names of all tests in a file, as they are written. */
function testNames(place: string): string {
  const [room = '', file = ''] = place.split('/')
  const source = readFileSync(path.join(root, 'packages', room, 'test', `${file}.test.ts`), 'utf8')
  return [...source.matchAll(/\b(?:it|describe)\(\s*(['`])(.*?)\1/gs)]
    .map(([, , name]) => name)
    .join('\n')
}

describe('docs/reference/python-ssl.md', () => {
  it('names a test for every row that works, and the test is there', () => {
    assert.ok(rows.length > 120, `${rows.length} rows`)
    for (const { name, ours, state, test } of rows) {
      if (state !== 'works') {
        assert.equal(test, '–', name)
        continue
      }
      assert.notEqual(ours, '', name)
      const [place = '', words = ''] = test.split(/: (.*)/s)
      assert.ok(words !== '' && testNames(place).includes(words), `${name}: no test "${test}"`)
    }
  })

  it('says why, in every row that does not work', () => {
    for (const { name, state, why } of rows) {
      assert.match(state, /^(?:works|other|none)$/, name)
      if (state !== 'works') assert.notEqual(why, '', name)
    }
  })

  it('T4: has every method of the socket that was asked for', () => {
    const known = new Set(rows.map(({ name }) => name))
    for (const method of ASKED_FOR.split(' ')) assert.ok(known.has(`SSLSocket.${method}`), method)
  })

  it('has every public name of CPython’s module', async (t) => {
    const python = requirePython(t, { strict: true })
    if (python === undefined) return
    const script = `
import ssl, types
for name in dir(ssl):
    if not name.startswith('_') and not isinstance(getattr(ssl, name), types.ModuleType): print(name)
for kind in ('SSLContext', 'SSLSocket', 'MemoryBIO', 'SSLSession', 'SSLObject'):
    for name in dir(getattr(ssl, kind)):
        if not name.startswith('_'): print(kind + '.' + name)
`
    const { code, stdout, stderr } = await runCommand(python, ['-c', script])
    assert.equal(code, 0, stderr)
    const known = new Set([...rows.map(({ name }) => name), ...IMPORTS.split(' ')])
    const absent = stdout
      .trim()
      .split('\n')
      .filter(
        (name) =>
          !known.has(name) &&
          !known.has(`${/^[A-Z]+(?:_DESCRIPTION|_ERROR)?_|$/.exec(name)?.[0] ?? ''}*`),
      )
      // An object has the methods of the socket.
      .filter((name) => !known.has(name.replace('SSLObject.', 'SSLSocket.')))
    assert.deepEqual(absent, [])
  })
})

describe('certificates as the module of Python has them', () => {
  it('turns DER into PEM and back', () => {
    const { pem, der } = authority.root
    assert.deepEqual(Certificate.parse(pem).der, der)
    assert.equal(Certificate.parse(der).pem, pem)
    assert.match(pem, /^-----BEGIN CERTIFICATE-----\n/)
  })

  it('reads Python’s times as the dates they are', () => {
    const { notAfter } = authority.root
    const { notAfter: text } = authority.root.toPythonDict()
    assert.equal(new Date(text).getTime(), notAfter.getTime())
  })
})

const ASKED_FOR =
  'accept bind close connect detach fileno getpeername getsockname getsockopt setsockopt gettimeout settimeout setblocking ' +
  'listen makefile recv recv_into send sendall sendfile shutdown'

const IMPORTS = 'namedtuple socket socket_error SOCK_STREAM SOL_SOCKET SO_TYPE'
