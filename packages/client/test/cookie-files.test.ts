/** Cookies in files: a saved session and curl's cookies.txt, there and back. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { Session } from '@countersign/client'
import {
  outsidePython,
  requireTool,
  runCommand,
  scrubProcess,
  skipWithoutPython,
  temporaryFolder,
} from '@countersign/testkit'
import * as fc from 'fast-check'
import { CookieJar, type StoredCookie } from '../src/cookie-jar.ts'
import { formatNetscapeCookies, parseNetscapeCookies } from '../src/netscape-cookies.ts'
import { readSavedCookies, savedCookie } from '../src/saved-cookies.ts'
import { asGiven } from './failures.ts'
import { startServer } from './servers.ts'

scrubProcess()
const folder = temporaryFolder(after)
const TAB = '\t'
const LATER = Math.floor(Date.now() / 1000) + 86_400

/** Sessions with one cookie of every kind. */
function everyKind(): CookieJar {
  const jar = new CookieJar()
  jar.store(new URL('https://www.example.com/a/b'), [
    'plain=1',
    'shared=2; Domain=example.com; Path=/',
    'secure=3; Secure; HttpOnly; SameSite=Strict; Path=/',
    'lasting=4; Max-Age=86400; Path=/a',
    '__Host-prefixed=5; Secure; Path=/',
    'quoted="6 7"; HttpOnly',
    'empty=; Path=/',
    'eq=a=b',
  ])
  jar.store(new URL('http://[::1]:8080/'), ['address=1'])
  return jar
}

/** What the format can say of a cookie. */
function inTheFormat({ expires, ...cookie }: StoredCookie): object {
  const seconds = expires === undefined ? undefined : Math.ceil(expires / 1000)
  return { ...cookie, sameSite: undefined, expires: seconds }
}

const line = (...fields: string[]): string => fields.join(TAB)

/** The lines of a file that are cookies, in an order of their own. */
function lines(text: string): string[] {
  return text
    .split('\n')
    .filter((one) => one.includes(TAB))
    .toSorted()
}

describe('cookies as JSON', () => {
  it('come back as they were, in their order', () => {
    const jar = everyKind()
    const json = JSON.stringify(jar.all().map((cookie) => savedCookie(cookie)))
    const again = new CookieJar()
    for (const cookie of readSavedCookies(JSON.parse(json))) assert.ok(again.put(cookie))
    assert.deepEqual(again.all(), jar.all())
  })

  it('are refused by the name of what is wrong, never with its value', () => {
    const good = { name: 'a', value: 'secret', domain: 'example.com', path: '/' }
    const wrong: [unknown, RegExp][] = [
      ['secret', /: cookies is not a list/],
      [[null], /cookies\[0\] is not an object/],
      [[good, { ...good, value: 1 }], /cookies\[1\]\.value is not a string/],
      [[{ ...good, domain: undefined }], /cookies\[0\]\.domain/],
      [[{ ...good, secure: 'secret' }], /cookies\[0\]\.secure is not true or false/],
      [[{ ...good, expires: 'secret' }], /cookies\[0\]\.expires is not a date/],
      [[{ ...good, sameSite: 'secret' }], /cookies\[0\]\.sameSite/],
      [[{ ...good, port: 1.5 }], /cookies\[0\]\.port/],
    ]
    for (const [cookies, words] of wrong) {
      assert.throws(
        () => Session.fromJSON(asGiven({ version: 1, cookies })),
        (error: Error) => {
          assert.match(error.message, words)
          assert.doesNotMatch(error.message, /secret/)
          return true
        },
      )
    }
  })

  it('that no server could have set are left out', () => {
    const good = { name: 'a', value: 'b', domain: 'example.com', path: '/' }
    const refused = [
      { ...good, name: 'a\r\nX-Evil: 1' },
      { ...good, value: 'b; admin=1' },
      { ...good, name: 'a=b' },
      { ...good, name: '', value: '' },
      { ...good, value: 'x'.repeat(5000) },
      { ...good, path: 'x' },
      { ...good, domain: 'com', hostOnly: false },
      { ...good, domain: '' },
      { ...good, expires: '2001-01-01T00:00:00Z' },
      { ...good, name: '__Secure-a' },
      { ...good, name: '__Host-a', secure: true, hostOnly: true, path: '/x' },
    ]
    const session = Session.fromJSON({ version: 1, cookies: [...refused, good] })
    assert.deepEqual(session.toJSON().cookies, [good])
  })
})

describe("Netscape's format", () => {
  it('brings back everything but SameSite', () => {
    const jar = everyKind()
    const text = formatNetscapeCookies(jar.all())
    assert.match(text, /^# Netscape HTTP Cookie File\n/)
    assert.match(text, /^\.example\.com\tTRUE\t\/\tFALSE\t0\tshared\t2$/m)
    assert.match(text, /^#HttpOnly_www\.example\.com\tFALSE\t\/\tTRUE\t0\tsecure\t3$/m)
    const again = new CookieJar()
    for (const cookie of parseNetscapeCookies(text, 'test')) assert.ok(again.put(cookie))
    assert.deepEqual(again.all().map(inTheFormat), jar.all().map(inTheFormat))
  })

  it('passes over comments and empty lines, takes both line ends and a value that is not there', () => {
    const given = [
      '# a comment',
      '',
      `h.example${TAB}FALSE${TAB}/${TAB}FALSE${TAB}0${TAB}a${TAB}1\r`,
      `h.example${TAB}FALSE${TAB}/${TAB}false${TAB}${LATER}${TAB}b`,
      `#HttpOnly_.h.example${TAB}TRUE${TAB}/${TAB}TRUE${TAB}0${TAB}c${TAB}3`,
    ]
    const session = new Session()
    assert.equal(session.importCookies(given.join('\n')), 3)
    assert.deepEqual(session.cookiesFor('https://h.example/'), { a: '1', b: '', c: '3' })
    assert.deepEqual(session.cookiesFor('http://x.h.example/'), {})
  })

  it('refuses a line that is none, by its number and without its text', () => {
    const good = ['h.example', 'FALSE', '/', 'FALSE', '0', 'a', 'secret']
    const wrong = [
      ['secret'],
      good.slice(0, 5),
      [...good, 'secret'],
      good.with(1, 'secret'),
      good.with(2, 'secret'),
      good.with(3, 'secret'),
      good.with(4, 'secret'),
      good.with(4, '1.5'),
      good.with(0, ''),
    ]
    for (const fields of wrong) {
      assert.throws(
        () => new Session().importCookies(`# comment\n${fields.join(TAB)}\n`),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'cookie-file-invalid')
          assert.match(error.message, /^the cookie file, line 2: /)
          assert.doesNotMatch(error.message, /secret/)
          return true
        },
      )
    }
    const huge = '#'.repeat(33 * 1024 * 1024)
    assert.throws(() => new Session().importCookies(huge), { code: 'cookie-file-invalid' })
    assert.throws(() => new Session({ cookies: false }).importCookies(''), {
      code: 'option-conflict',
    })
  })

  it('leaves out what has expired and what no server could have set', () => {
    const session = new Session()
    const text = [
      line('com', 'TRUE', '/', 'FALSE', '0', 'public', '1'),
      line('h.example', 'FALSE', '/', 'FALSE', '1', 'expired', '1'),
      line('h.example', 'FALSE', '/', 'FALSE', '-1', 'expired', '1'),
      line('h.example', 'FALSE', '/', 'FALSE', '0', '__Secure-a', '1'),
      line('h.example', 'FALSE', '/', 'FALSE', '0', 'good', '1'),
    ].join('\n')
    assert.equal(session.importCookies(text), 1)
    assert.deepEqual(session.cookiesFor('http://h.example/'), { good: '1' })
  })

  it('survives whatever it is given', () => {
    const field = fc.oneof(fc.string(), fc.constantFrom('TRUE', 'FALSE', '/', '0', 'h.example', ''))
    fc.assert(
      fc.property(fc.array(fc.array(field, { maxLength: 9 }), { maxLength: 5 }), (rows) => {
        const session = new Session()
        try {
          session.importCookies(rows.map((fields) => fields.join(TAB)).join('\n'))
        } catch (error) {
          assert.ok(error instanceof Error && 'code' in error, String(error))
        }
        const text = session.exportCookies()
        assert.equal(new Session().importCookies(text), session.toJSON().cookies.length)
      }),
      { numRuns: 500 },
    )
  })
})

describe('curl and the same cookies', () => {
  it('curl sends what we write, HttpOnly ones too, and keeps Secure ones back', async (t) => {
    const curl = requireTool(t, 'curl')
    if (curl === undefined) return
    await using server = await startServer((_request, response) => response.end('ok'))
    const file = path.join(folder, 'for-curl.txt')
    const text = new CookieJar()
    text.store(new URL('http://127.0.0.1/'), ['a=1', 'hidden=2; HttpOnly', 'deep=3; Path=/x'])
    text.store(new URL('https://127.0.0.1/'), ['secure=4; Secure', 'lasting=5; Max-Age=1000'])
    writeFileSync(file, formatNetscapeCookies(text.all()))
    const { code, stderr } = await runCommand(curl, ['-sS', '-b', file, `${server.url}/x/y`])
    assert.equal(code, 0, stderr)
    const sent = server.seen[0]?.headers.cookie?.split('; ').toSorted()
    // curl trusts its own loopback with Secure cookies where it is new enough; we do not.
    assert.deepEqual(
      sent?.filter((one) => one !== 'secure=4'),
      ['a=1', 'deep=3', 'hidden=2', 'lasting=5'],
    )
  })

  it('we send what curl writes', async (t) => {
    const curl = requireTool(t, 'curl')
    if (curl === undefined) return
    await using server = await startServer((_request, response) => {
      response.setHeader('set-cookie', [
        'session=1',
        'hidden=2; HttpOnly',
        'lasting=3; Max-Age=86400; Path=/',
        'deep=4; Path=/x',
        'gone=5; Max-Age=0',
      ])
      response.end('ok')
    })
    const file = path.join(folder, 'by-curl.txt')
    const { code, stderr } = await runCommand(curl, ['-sS', '-c', file, `${server.url}/x/y`])
    assert.equal(code, 0, stderr)
    await using session = new Session()
    const text = readFileSync(file, 'utf8')
    assert.equal(session.importCookies(text), 4)
    // What we make of it is what curl wrote, line by line.
    assert.deepEqual(lines(session.exportCookies()), lines(text))
    await (await session.get(`${server.url}/x/y`)).text()
    assert.deepEqual(server.seen[1]?.headers.cookie?.split('; ').toSorted(), [
      'deep=4',
      'hidden=2',
      'lasting=3',
      'session=1',
    ])
  })
})

describe("Python's MozillaCookieJar", () => {
  it('reads what we write', { skip: skipWithoutPython() }, async () => {
    const python = outsidePython() ?? ''
    const file = path.join(folder, 'for-python.txt')
    writeFileSync(file, formatNetscapeCookies(everyKind().all()))
    const script = `
import http.cookiejar, sys
jar = http.cookiejar.MozillaCookieJar(sys.argv[1])
# A session cookie's expiry is 0, as in curl's files; without ignore_expires Python takes it for a date.
jar.load(ignore_discard=True, ignore_expires=True)
print(sorted(c.name for c in jar))`
    const { stdout, stderr } = await runCommand(python, ['-c', script, file])
    assert.match(stdout, /'__Host-prefixed', .*'lasting'.*'plain'.*'shared'/, stderr)
  })
})
