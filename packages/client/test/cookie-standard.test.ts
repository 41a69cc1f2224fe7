/**
 * RFC 6265bis §5, requirement by requirement. Each test names its section (as numbered in the last drafts, -15 to -22) and says
 * in short what it demands; what is accepted stands beside what is not.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CookieJar } from '../src/cookie-jar.ts'
import type { CookieRules } from '../src/cookie-rules.ts'
import { cookieHeader } from '../src/cookies.ts'
import { parseSetCookie } from '../src/set-cookie.ts'

const NOW = Date.UTC(2026, 0, 1)
const HOME = 'https://www.example.com/a/b/c?q'

/** A jar with a clock of its own. */
class Jar {
  now = NOW
  readonly jar: CookieJar

  constructor(rules?: CookieRules) {
    this.jar = new CookieJar(rules, () => this.now)
  }

  /** What an answer from that URL sets. */
  set(url: string, ...fields: string[]): this {
    this.jar.store(new URL(url), fields)
    return this
  }

  /** The `Cookie` header of a request to that URL. */
  sent(url: string): string | undefined {
    return cookieHeader(this.jar.pairsFor(new URL(url)), [])
  }

  /** The attributes kept of the one cookie there is. */
  get only(): ReturnType<CookieJar['all']>[number] {
    const [cookie, ...more] = this.jar.all()
    assert.deepEqual(more, [])
    assert.ok(cookie)
    return cookie
  }

  get size(): number {
    return this.jar.all().length
  }
}

/** Whether a field is kept when it comes from that URL. */
function keeps(field: string, url = HOME): boolean {
  return new Jar().set(url, field).size === 1
}

/** When a cookie ends, by its attributes. */
function expiryOf(attributes: string): string | undefined {
  const { expires } = parseSetCookie(`a=1; ${attributes}`, NOW) ?? {}
  return expires === undefined ? undefined : new Date(expires).toISOString()
}

/** Name and value of a field. */
function pairOf(field: string): [string, string] | undefined {
  const cookie = parseSetCookie(field, NOW)
  return cookie === undefined ? undefined : [cookie.name, cookie.value]
}

/** A path of that length. */
const long = (length: number): string => `/${'x'.repeat(length - 1)}`

/** That many fields. */
const many = (count: number): string[] => Array.from({ length: count }, (_, index) => `n${index}=v`)

const dateOf = (text: string): string | undefined => expiryOf(`Expires=${text}`)

describe('§5.1.1 dates', () => {
  const soon = '2026-06-09T10:18:14.000Z'

  it('are tokens between delimiters, whatever these are', () => {
    for (const text of [
      'Tue, 09 Jun 2026 10:18:14 GMT',
      'Tuesday, 09-Jun-26 10:18:14 GMT',
      'Tue Jun  9 10:18:14 2026',
      '09/Jun/2026 10:18:14',
      '10:18:14 2026 jun 09',
      '\t09 Jun 2026 10:18:14\t',
    ]) {
      assert.equal(dateOf(text), soon, text)
    }
    assert.equal(dateOf('09:Jun:2026 10:18:14'), undefined, 'a colon delimits nothing')
  })

  it('step 2: the first token that fits is the time, the day, the month, the year; later ones are not', () => {
    assert.equal(dateOf('9 Jun 2026 10:18:14 11:19:15 10 Jul 2027'), soon)
    assert.equal(dateOf('9 June-ish 2026 10:18:14'), soon, 'three letters make the month')
    assert.equal(dateOf('9 Jux 2026 10:18:14'), undefined)
    assert.equal(dateOf('9th Jun 2026 10:18:14x'), soon, 'what follows the digits is no matter')
    assert.equal(dateOf('009 Jun 2026 10:18:14'), undefined, 'a day has one digit or two')
  })

  it('step 3: years 70 to 99 are of the last century', () => {
    assert.equal(dateOf('09 Jun 70 10:18:14'), '1970-06-09T10:18:14.000Z')
    assert.equal(dateOf('09 Jun 99 10:18:14'), '1999-06-09T10:18:14.000Z')
  })

  it('step 4: years 0 to 69 are of this one', () => {
    assert.equal(dateOf('09 Jun 26 10:18:14'), soon)
    assert.equal(dateOf('09 Jun 00 10:18:14'), '2000-06-09T10:18:14.000Z')
  })

  it('step 5: fail where a part is missing or out of its range', () => {
    for (const text of [
      'Jun 2026 10:18:14',
      '09 2026 10:18:14',
      '09 Jun 10:18:14',
      '09 Jun 2026',
      '00 Jun 2026 10:18:14',
      '32 Jun 2026 10:18:14',
      '09 Jun 1600 10:18:14',
      '09 Jun 2026 24:18:14',
      '09 Jun 2026 10:60:14',
      '09 Jun 2026 10:18:60',
    ]) {
      assert.equal(dateOf(text), undefined, text)
    }
    assert.equal(dateOf('09 Jun 1601 23:59:59'), '1601-06-09T23:59:59.000Z')
  })

  it('step 6: fail where there is no such day', () => {
    assert.equal(dateOf('29 Feb 2025 10:18:14'), undefined)
    assert.equal(dateOf('29 Feb 2024 10:18:14'), '2024-02-29T10:18:14.000Z')
    assert.equal(dateOf('31 Jun 2026 10:18:14'), undefined)
  })
})

describe('§5.1.2 canonicalized host names', () => {
  it('are lower case, and A-labels where they were not ASCII', () => {
    const jar = new Jar().set('https://WWW.Example.COM/', 'a=1')
    assert.equal(jar.only.domain, 'www.example.com')
    assert.equal(jar.sent('https://www.EXAMPLE.com/'), 'a=1')
    const umlaut = new Jar().set('https://bücher.example/', 'a=1')
    assert.equal(umlaut.only.domain, 'xn--bcher-kva.example')
    assert.equal(umlaut.sent('https://xn--bcher-kva.example/'), 'a=1')
    assert.equal(umlaut.sent('https://bucher.example/'), undefined)
  })
})

describe('§5.1.3 domain matching', () => {
  it('is the same name, or a name below it', () => {
    const jar = new Jar().set('https://www.example.com/', 'a=1; Domain=example.com')
    for (const host of ['example.com', 'www.example.com', 'x.y.example.com']) {
      assert.equal(jar.sent(`https://${host}/`), 'a=1', host)
    }
  })

  it('is not a name that only ends alike, nor one above', () => {
    const jar = new Jar().set('https://www.example.com/', 'a=1; Domain=www.example.com')
    for (const host of ['example.com', 'xwww.example.com', 'www.example.com.evil.test', 'com']) {
      assert.equal(jar.sent(`https://${host}/`), undefined, host)
    }
  })

  it('is for names; an address matches itself alone', () => {
    assert.ok(keeps('a=1; Domain=127.0.0.1', 'https://127.0.0.1/'))
    assert.ok(!keeps('a=1; Domain=0.0.1', 'https://127.0.0.1/'))
    assert.ok(!keeps('a=1; Domain=0.0.1', 'https://[::1]/'))
    const jar = new Jar().set('https://[::1]/', 'a=1')
    assert.equal(jar.sent('https://[::1]/'), 'a=1')
    assert.equal(jar.sent('https://127.0.0.1/'), undefined)
  })
})

describe('§5.1.4 paths', () => {
  it('the default is the path up to its last slash, without the query', () => {
    for (const [url, path] of [
      ['https://h.example/', '/'],
      ['https://h.example', '/'],
      ['https://h.example/a', '/'],
      ['https://h.example/a/', '/a'],
      ['https://h.example/a/b', '/a'],
      ['https://h.example/a/b/c?x=/y/z', '/a/b'],
    ] as const) {
      assert.equal(new Jar().set(url, 'a=1').only.path, path, url)
    }
  })

  it('match where they are identical, or the rest begins with a slash', () => {
    const jar = new Jar().set('https://h.example/', 'a=1; Path=/one', 'b=2; Path=/two/')
    assert.equal(jar.sent('https://h.example/one'), 'a=1')
    assert.equal(jar.sent('https://h.example/one/more'), 'a=1')
    assert.equal(jar.sent('https://h.example/two/'), 'b=2')
    assert.equal(jar.sent('https://h.example/two/more'), 'b=2')
  })

  it('do not match where only the letters go on, or the slash is missing', () => {
    const jar = new Jar().set('https://h.example/', 'a=1; Path=/one', 'b=2; Path=/two/')
    for (const path of ['/onemore', '/on', '/two', '/x/one', '/ONE']) {
      assert.equal(jar.sent(`https://h.example${path}`), undefined, path)
    }
  })
})

describe('§5.2 same-site requests', () => {
  it('step 1: a request without a document behind it is same-site: SameSite keeps nothing back', () => {
    const jar = new Jar().set(HOME, 's=1; SameSite=Strict', 'l=2; SameSite=Lax', 'd=3')
    assert.equal(jar.sent(HOME), 's=1; l=2; d=3')
  })
})

describe('§5.4 name prefixes', () => {
  it('__Secure- wants Secure', () => {
    assert.ok(keeps('__Secure-a=1; Secure'))
    assert.ok(!keeps('__Secure-a=1'))
    assert.ok(keeps('__Secure-a=1; Secure; Domain=example.com'))
  })

  it('__Host- wants Secure, the path / written out, and no Domain', () => {
    assert.ok(keeps('__Host-a=1; Secure; Path=/'))
    assert.ok(!keeps('__Host-a=1; Path=/'))
    assert.ok(!keeps('__Host-a=1; Secure'))
    assert.ok(
      !keeps('__Host-a=1; Secure', 'https://www.example.com/'),
      'the default path is no Path',
    )
    assert.ok(!keeps('__Host-a=1; Secure; Path=/a'))
    assert.ok(!keeps('__Host-a=1; Secure; Path=/; Domain=www.example.com'))
    assert.ok(!keeps('__Host-a=1; Secure; Path=/', 'http://www.example.com/'))
  })

  it('in any case of letters, because servers may compare them so', () => {
    for (const name of ['__SECURE-a', '__secure-a', '__hOsT-a', '__HOST-a']) {
      assert.ok(!keeps(`${name}=1`), name)
      assert.ok(keeps(`${name}=1; Secure; Path=/`), name)
    }
    assert.ok(keeps('_Host-a=1'))
  })
})

describe('§5.5 lifetime', () => {
  it('is at most 400 days', () => {
    const most = new Date(NOW + 400 * 86_400_000).toISOString()
    assert.equal(expiryOf('Max-Age=99999999999'), most)
    assert.equal(expiryOf(`Max-Age=${'9'.repeat(400)}`), most)
    assert.equal(expiryOf('Expires=Fri, 31 Dec 9999 23:59:59 GMT'), most)
    assert.equal(expiryOf('Max-Age=34560000'), most)
    assert.equal(expiryOf('Max-Age=34559999'), new Date(NOW + 34_559_999_000).toISOString())
  })
})

describe('§5.6 the Set-Cookie field', () => {
  it('step 1: with a control character it is ignored; a tab is none', () => {
    for (const code of [0x00, 0x01, 0x08, 0x0a, 0x0d, 0x1f, 0x7f]) {
      assert.equal(pairOf(`a=b${String.fromCharCode(code)}c`), undefined, String(code))
      assert.equal(pairOf(`a=b; Path=/${String.fromCharCode(code)}`), undefined, String(code))
    }
    assert.deepEqual(pairOf('a=b\tc'), ['a', 'b\tc'])
    assert.deepEqual(pairOf('a=b\u0080\u00ff'), ['a', 'b\u0080\u00ff'])
  })

  it('step 2: the pair ends at the first semicolon', () => {
    assert.deepEqual(pairOf('a=b;c=d'), ['a', 'b'])
    assert.deepEqual(pairOf('a="b;c"'), ['a', '"b'])
    assert.deepEqual(pairOf('a=b'), ['a', 'b'])
  })

  it('step 3: without an equals sign all of it is the value', () => {
    assert.deepEqual(pairOf('token'), ['', 'token'])
    assert.deepEqual(pairOf('=token'), ['', 'token'])
    assert.deepEqual(pairOf('a=b=c'), ['a', 'b=c'])
    assert.deepEqual(pairOf('a='), ['a', ''])
  })

  it('step 4: blanks and tabs around name and value are not theirs, those inside are', () => {
    assert.deepEqual(pairOf(' \t a \t = \t b c \t ; Secure'), ['a', 'b c'])
    assert.deepEqual(pairOf('a\u00a0=\u00a0b'), ['a\u00a0', '\u00a0b'])
    assert.deepEqual(pairOf('a="b"'), ['a', '"b"'], 'quotes are part of the value')
  })

  it('step 5: name and value have 4096 bytes at most', () => {
    assert.deepEqual(pairOf(`a=${'x'.repeat(4095)}`)?.[1].length, 4095)
    assert.equal(pairOf(`a=${'x'.repeat(4096)}`), undefined)
    assert.equal(pairOf(`${'n'.repeat(4097)}=`), undefined)
    assert.equal(pairOf(`a=${'x'.repeat(1_000_000)}`), undefined)
  })

  it('neither name nor value: ignored (§5.7 step 2)', () => {
    for (const field of ['', ' ', '=', ' = ', ';', '; Secure', '=; Path=/']) {
      assert.equal(pairOf(field), undefined, JSON.stringify(field))
    }
  })

  it('attributes: without an equals sign the whole is the name, blanks around do not count', () => {
    const cookie = parseSetCookie('a=b; Secure ;\tHttpOnly\t; Path = /x ', NOW)
    assert.partialDeepStrictEqual(cookie, { secure: true, httpOnly: true, path: '/x' })
  })

  it('attributes: a value of more than 1024 bytes is ignored', () => {
    assert.equal(parseSetCookie(`a=b; Path=${long(1024)}`, NOW)?.path?.length, 1024)
    assert.equal(parseSetCookie(`a=b; Path=/y; Path=${long(1025)}`, NOW)?.path, '/y')
  })

  it('attributes: those that nobody knows are passed over', () => {
    const cookie = parseSetCookie('a=b; Priority=High; Comment=x; ; =; Partitioned', NOW)
    assert.deepEqual(cookie, parseSetCookie('a=b', NOW))
  })

  it('attributes: their names are not case-sensitive', () => {
    const cookie = parseSetCookie('a=b; sEcUrE; HTTPONLY; pAtH=/x; DOMAIN=Example.COM', NOW)
    assert.partialDeepStrictEqual(cookie, {
      secure: true,
      httpOnly: true,
      path: '/x',
      domain: 'example.com',
    })
  })
})

describe('§5.6.1 Expires', () => {
  it('is a date; one that cannot be read is ignored', () => {
    assert.equal(expiryOf('Expires=Wed, 10 Jun 2026 00:00:00 GMT'), '2026-06-10T00:00:00.000Z')
    for (const text of ['', 'soon', '0', 'Wed']) assert.equal(dateOf(text), undefined, text)
    assert.ok(keeps('a=1; Expires=soon'), 'the cookie is kept for the session')
  })

  it('in the past deletes', () => {
    const jar = new Jar()
      .set(HOME, 'a=1', 'b=2')
      .set(HOME, 'a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT')
    assert.equal(jar.sent(HOME), 'b=2')
  })
})

describe('§5.6.2 Max-Age', () => {
  it('is a number of seconds from now', () => {
    assert.equal(expiryOf('Max-Age=60'), '2026-01-01T00:01:00.000Z')
    assert.equal(expiryOf('Max-Age=007'), '2026-01-01T00:00:07.000Z')
  })

  it('is ignored where it is anything else', () => {
    for (const text of ['', '+60', '6O', '60s', '1.5', '0x10', '-', '--1', '6 0']) {
      assert.equal(expiryOf(`Max-Age=${text}`), undefined, text)
    }
  })

  it('of zero or less deletes', () => {
    for (const seconds of ['0', '-1', '-99999999999999999999']) {
      assert.equal(new Jar().set(HOME, 'a=1').set(HOME, `a=2; Max-Age=${seconds}`).size, 0, seconds)
    }
  })
})

describe('§5.6.3 Domain', () => {
  it('may begin with a dot, which is dropped, and is lower-cased', () => {
    const jar = new Jar().set(HOME, 'a=1; Domain=.Example.COM')
    assert.partialDeepStrictEqual(jar.only, { domain: 'example.com', hostOnly: false })
  })

  it('empty is none', () => {
    for (const domain of ['', '.', ' ']) {
      const jar = new Jar().set(HOME, `a=1; Domain=${domain}`)
      assert.partialDeepStrictEqual(jar.only, { domain: 'www.example.com', hostOnly: true })
    }
  })

  it('with two dots in front is no domain of this host', () => {
    assert.ok(!keeps('a=1; Domain=..example.com'))
  })
})

describe('§5.6.4 Path', () => {
  it('that is empty or does not begin with a slash is the default', () => {
    for (const path of ['', 'a', 'a/b', './', '"/"', '\\']) {
      assert.equal(new Jar().set(HOME, `a=1; Path=${path}`).only.path, '/a/b', path)
    }
    assert.equal(new Jar().set(HOME, 'a=1; Path=/').only.path, '/')
  })

  it('is taken as it is, and need not be a path of the request', () => {
    assert.equal(new Jar().set(HOME, 'a=1; Path=/else/%2F').only.path, '/else/%2F')
  })
})

describe('§5.6.5 to §5.6.7 Secure, HttpOnly, SameSite', () => {
  it('Secure and HttpOnly count whatever their value is', () => {
    const cookie = parseSetCookie('a=1; Secure=no; HttpOnly=false', NOW)
    assert.partialDeepStrictEqual(cookie, { secure: true, httpOnly: true })
    const plain = parseSetCookie('a=1; Insecure; Http-Only', NOW)
    assert.partialDeepStrictEqual(plain, { secure: false, httpOnly: false })
  })

  it('SameSite is None, Strict or Lax; anything else is the default', () => {
    const sameSite = (value: string): string | undefined =>
      parseSetCookie(`a=1; SameSite=${value}`, NOW)?.sameSite
    assert.equal(sameSite('NONE'), 'none')
    assert.equal(sameSite('strict'), 'strict')
    assert.equal(sameSite('Lax'), 'lax')
    for (const value of ['', 'Default', 'Strict2', 'true']) assert.equal(sameSite(value), 'default')
    assert.equal(parseSetCookie('a=1; SameSite=Strict; SameSite=x', NOW)?.sameSite, 'default')
  })
})

describe('§5.7 the storage model', () => {
  it('step 5: creation is when it came', () => {
    const jar = new Jar().set(HOME, 'a=1').set(HOME, 'b=2')
    assert.equal(jar.sent(HOME), 'a=1; b=2')
  })

  it('step 6: Max-Age over Expires, wherever it stands; of several the last', () => {
    const late = 'Expires=Wed, 10 Jun 2026 00:00:00 GMT'
    const minute = '2026-01-01T00:01:00.000Z'
    assert.equal(expiryOf(`Max-Age=60; ${late}`), minute)
    assert.equal(expiryOf(`${late}; Max-Age=60`), minute)
    assert.equal(expiryOf('Max-Age=10; Max-Age=60'), minute)
    assert.equal(
      expiryOf(`${late}; Expires=Thu, 11 Jun 2026 00:00:00 GMT`),
      '2026-06-11T00:00:00.000Z',
    )
    assert.equal(
      expiryOf(`${late}; Max-Age=x`),
      '2026-06-10T00:00:00.000Z',
      'an ignored one is none',
    )
  })

  it('step 6: with neither it lasts as long as the session', () => {
    const jar = new Jar().set(HOME, 'a=1')
    assert.equal(jar.only.expires, undefined)
    jar.now += 10 * 365 * 86_400_000
    assert.equal(jar.sent(HOME), 'a=1')
  })

  it('step 7: of several Domains the last counts', () => {
    const jar = new Jar().set(HOME, 'a=1; Domain=other.test; Domain=example.com')
    assert.equal(jar.only.domain, 'example.com')
    assert.ok(!keeps('a=1; Domain=example.com; Domain=other.test'))
    assert.equal(new Jar().set(HOME, 'a=1; Domain=other.test; Domain=').only.hostOnly, true)
  })

  it('step 8: a Domain that is not ASCII is refused', () => {
    assert.ok(!keeps('a=1; Domain=b\u00fccher.example', 'https://xn--bcher-kva.example/'))
    assert.ok(keeps('a=1; Domain=xn--bcher-kva.example', 'https://xn--bcher-kva.example/'))
  })

  it('step 9: nobody sets a cookie for a public suffix', () => {
    assert.ok(!keeps('a=1; Domain=com'))
    assert.ok(!keeps('a=1; Domain=co.uk', 'https://www.example.co.uk/'))
    assert.ok(!keeps('a=1; Domain=github.io', 'https://me.github.io/'))
    assert.ok(keeps('a=1; Domain=example.co.uk', 'https://www.example.co.uk/'))
    assert.ok(!keeps('a=1; Domain=corp', 'https://wiki.corp/'), 'a single label is one too')
  })

  it('step 9: a host that is one itself gets a cookie of its own', () => {
    const jar = new Jar().set('https://github.io/', 'a=1; Domain=github.io')
    assert.partialDeepStrictEqual(jar.only, { domain: 'github.io', hostOnly: true })
    const local = new Jar().set('https://localhost/', 'a=1; Domain=localhost')
    assert.equal(local.sent('https://localhost/'), 'a=1')
    assert.equal(local.sent('https://x.localhost/'), undefined)
  })

  it('step 10: the host must belong to the Domain', () => {
    for (const domain of [
      'other.test',
      'xwww.example.com',
      'a.www.example.com',
      'ww.example.com',
    ]) {
      assert.ok(!keeps(`a=1; Domain=${domain}`), domain)
    }
    assert.partialDeepStrictEqual(new Jar().set(HOME, 'a=1; Domain=www.example.com').only, {
      hostOnly: false,
    })
  })

  it('step 10: without a Domain it is for that host alone', () => {
    const jar = new Jar().set('https://example.com/', 'a=1')
    assert.equal(jar.sent('https://example.com/'), 'a=1')
    assert.equal(jar.sent('https://www.example.com/'), undefined)
  })

  it('step 11: of several Paths the last counts, else the default', () => {
    assert.equal(new Jar().set(HOME, 'a=1; Path=/x; Path=/y').only.path, '/y')
    assert.equal(new Jar().set(HOME, 'a=1; Path=/x; Path=').only.path, '/a/b')
    assert.equal(new Jar().set(HOME, 'a=1').only.path, '/a/b')
  })

  it('step 13: plain HTTP sets no Secure cookie, not even on this machine', () => {
    for (const host of ['www.example.com', 'localhost', '127.0.0.1', '[::1]']) {
      assert.ok(!keeps('a=1; Secure', `http://${host}/`), host)
      assert.ok(keeps('a=1; Secure', `https://${host}/`), host)
      assert.ok(keeps('a=1', `http://${host}/`), host)
    }
  })

  it('steps 14, 15: HttpOnly is kept; every call is HTTP', () => {
    const jar = new Jar().set(HOME, 'a=1; HttpOnly')
    assert.equal(jar.only.httpOnly, true)
    assert.equal(jar.sent(HOME), 'a=1')
  })

  it('step 16: plain HTTP leaves secure cookies alone', () => {
    const secure = 'https://www.example.com/'
    const plain = 'http://www.example.com/'
    const after = (kept: string, given: string, from = plain): number =>
      new Jar().set(secure, kept).set(from, given).size
    assert.equal(after('a=1; Secure', 'a=2'), 1, 'same name, same domain')
    assert.equal(after('a=1; Secure', 'b=2'), 2, 'another name')
    assert.equal(after('a=1; Path=/x', 'a=2; Path=/y'), 2, 'what is there is not secure')
    assert.equal(after('a=1; Secure; Domain=example.com', 'a=2'), 1, 'a domain above')
    assert.equal(after('a=1; Secure', 'a=2; Domain=example.com'), 1, 'a domain below')
    assert.equal(after('a=1; Secure', 'a=2', 'http://other.example.com/'), 2, 'a domain beside')
    assert.equal(after('a=1; Secure; Path=/login', 'a=2; Path=/login/en'), 1, 'a path below')
    assert.equal(after('a=1; Secure; Path=/login', 'a=2; Path=/'), 2, 'a path above')
    assert.equal(after('a=1; Secure; Path=/login', 'a=2; Path=/foo'), 2, 'a path beside')
    assert.equal(after('a=1; Secure', 'a=2', secure), 1, 'https may: it replaces')
    assert.equal(after('a=1; Secure', 'a=; Max-Age=0'), 1, 'nor may it delete')
  })

  it('steps 17 to 19: SameSite is kept; None wants Secure', () => {
    assert.equal(new Jar().set(HOME, 'a=1; SameSite=Strict').only.sameSite, 'strict')
    assert.equal(new Jar().set(HOME, 'a=1').only.sameSite, 'default')
    assert.ok(keeps('a=1; SameSite=None; Secure'))
    assert.ok(!keeps('a=1; SameSite=None'))
  })

  it('step 22: a value without a name must not look like a prefixed name', () => {
    for (const field of ['__Host-a', '=__Host-a=1', '__SECURE-a', '=__secure-a=1']) {
      assert.ok(!keeps(`${field}; Secure; Path=/`), field)
    }
    assert.ok(keeps('=_Host-a'))
  })

  it('step 23: same name, domain, host-only and path replace, and keep the place in the line', () => {
    const jar = new Jar().set(HOME, 'a=1', 'b=2').set(HOME, 'a=3')
    assert.equal(jar.sent(HOME), 'a=3; b=2')
    jar.set(HOME, 'a=4; Path=/', 'a=5; Domain=www.example.com')
    assert.equal(jar.size, 4, 'another path, and one that is not host-only, are others')
  })

  it('expired cookies are gone', () => {
    const jar = new Jar().set(HOME, 'a=1; Max-Age=60', 'b=2; Max-Age=120')
    jar.now += 59_999
    assert.equal(jar.sent(HOME), 'a=1; b=2')
    jar.now += 1
    assert.equal(jar.sent(HOME), 'b=2')
    assert.equal(jar.size, 1)
  })
})

describe('§5.7 removing excess cookies, §6.1 limits', () => {
  it('a domain has 180, all of them 3000; at least 50 and 3000 are asked for', () => {
    assert.equal(new Jar().set(HOME, ...many(180)).size, 180)
    const jar = new Jar().set(HOME, ...many(1000))
    assert.equal(jar.size, 180)
    for (let host = 0; host < 20; host++) jar.set(`https://h${host}.test/`, ...many(180))
    assert.equal(jar.size, 3000)
  })

  it('expired ones go first, then those that are not secure, then those used least lately', () => {
    const rules = { maxPerDomain: 3 }
    const old = new Jar(rules).set(HOME, 'a=1', 'b=2; Max-Age=1', 'c=3')
    old.now += 2000
    assert.equal(old.set(HOME, 'd=4').sent(HOME), 'a=1; c=3; d=4')
    const mixed = new Jar(rules)
      .set(HOME, 'a=1; Secure', 'b=2', 'c=3; Secure')
      .set(HOME, 'd=4; Secure')
    assert.equal(mixed.sent(HOME), 'a=1; c=3; d=4')
    const used = new Jar(rules).set(HOME, 'a=1; Path=/', 'b=2; Path=/x', 'c=3; Path=/')
    used.sent('https://www.example.com/')
    assert.equal(used.set(HOME, 'd=4; Path=/').sent('https://www.example.com/x'), 'a=1; c=3; d=4')
  })

  it('a host that sets too many does not cost another one its own, below the common limit', () => {
    const jar = new Jar().set('https://quiet.test/', 'mine=1').set(HOME, ...many(5000))
    assert.equal(jar.sent('https://quiet.test/'), 'mine=1')
  })

  it('in all, the one used least lately goes', () => {
    const jar = new Jar({ maxCookies: 2 })
    jar.set('https://one.test/', 'a=1').set('https://two.test/', 'a=2')
    jar.sent('https://one.test/')
    jar.set('https://three.test/', 'a=3')
    assert.equal(jar.sent('https://one.test/'), 'a=1')
    assert.equal(jar.sent('https://two.test/'), undefined)
  })
})

describe('§5.8 the Cookie field', () => {
  it('§5.8.3 step 1: host, path and Secure decide', () => {
    const jar = new Jar().set(HOME, 'a=1; Secure; Path=/', 'b=2; Path=/a')
    assert.equal(jar.sent('https://www.example.com/a'), 'b=2; a=1')
    assert.equal(jar.sent('http://www.example.com/a'), 'b=2')
    assert.equal(jar.sent('https://www.example.com/'), 'a=1')
    assert.equal(jar.sent('https://example.com/a'), undefined)
  })

  it('§8.5: ports are no borders', () => {
    const jar = new Jar().set('https://www.example.com:8443/', 'a=1')
    assert.equal(jar.sent('https://www.example.com/'), 'a=1')
  })

  it('§5.8.3 step 2: longer paths first, then the older', () => {
    const jar = new Jar().set(
      HOME,
      'short=1; Path=/',
      'old=2; Path=/a',
      'long=3; Path=/a/b',
      'new=4; Path=/a',
    )
    assert.equal(jar.sent(HOME), 'long=3; old=2; new=4; short=1')
  })

  it('§5.8.3 step 4: name=value, and the value alone where there is no name', () => {
    const jar = new Jar().set(HOME, 'token', 'a=', 'b=1=2', 'c="x y"')
    assert.equal(jar.sent(HOME), 'token; a=; b=1=2; c="x y"')
  })

  it('nothing to send is no field', () => {
    assert.equal(new Jar().sent(HOME), undefined)
  })
})
