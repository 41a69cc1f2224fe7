import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import { COMMON_WORDS } from '../src/common-passwords.ts'
import { weakPasswordReasons } from '../src/password-rules.ts'
import { startService } from './service.ts'

scrubProcess()

describe('a new password', () => {
  it('is accepted for its length, whatever it is made of', () => {
    for (const password of [
      'four words of my own',
      'correct horse battery staple',
      'xkqzvbnwplmtrgh',
      '83910275639471028365',
      'пароль из четырёх слов',
      '😀😁😂🤣😃😄😅😆😉😊😋😎😍😘🥰',
      'orange tiger purple coffee',
      ' leading and trailing space ',
    ]) {
      assert.deepEqual(reasons(password), [], password)
    }
  })

  it('is refused when it is short, counted in characters and not in bytes', () => {
    assert.deepEqual(reasons('xkqzvbnwplmtrg'), ['too-short'])
    assert.deepEqual(reasons('xkqzvbnw', 8), [])
    assert.deepEqual(reasons('ґєїїґєїїґ', 10), ['too-short'])
  })

  it('is refused when it is common, however it is dressed up', () => {
    for (const password of [
      'password',
      'Password2026!!!!',
      'P4ssw0rd99999999',
      'passwordpassword',
      'letmein-letmein-letmein',
      'qwertyuiop12345',
      'admin.administrator',
      'ILoveYou!ILoveYou!',
    ]) {
      assert.ok(reasons(password, 8).includes('common'), password)
    }
  })

  it("is refused when it is made of the user's or the service's name", () => {
    for (const password of [
      'alicejones12345',
      'Alice.Jones.Alice',
      'Countersign2026!',
      'JonesJones99999',
    ]) {
      assert.deepEqual(reasons(password, 8), ['contains-name'], password)
    }
    assert.deepEqual(reasons('alice-password-2026', 8), ['common'])
    assert.deepEqual(reasons('alice keeps bees on the roof'), [])
  })

  it('is refused when it is one piece over and over, or a run of neighbours', () => {
    for (const password of [
      'aaaaaaaaaaaaaaaa',
      'abcabcabcabcabc',
      '12345678901234567890',
      'zyxwvutsrqponmlk',
    ]) {
      assert.ok(reasons(password).includes('repeated'), password)
    }
  })

  it('is refused over 1024 bytes and where it is no text, and nothing is cut', () => {
    assert.deepEqual(reasons(`x${'kqzvbnwplmtrghjd'.repeat(64)}`), ['too-long'])
    assert.deepEqual(reasons('half a character \ud800'), ['not-text'])
  })

  it('is judged in bounded time', () => {
    for (const password of ['a'.repeat(1024), 'ab'.repeat(512), 'pass'.repeat(256)]) {
      assert.ok(reasons(password).length > 0)
    }
    assert.ok(COMMON_WORDS.size > 300)
  })
})

function reasons(password: string, minLength = 15): string[] {
  return weakPasswordReasons(password, minLength, ['Alice Jones', 'countersign'])
}

describe('users.add', () => {
  it('refuses names and roles that could be mistaken, and a name twice in whatever case', async (t) => {
    const { auth } = await startService(t)
    for (const name of [
      '',
      ' a',
      'a ',
      'a\nb',
      'a\0b',
      'a\u202eb',
      '\u200bbob',
      '<b>',
      'x'.repeat(65),
      '\ud800',
      'admin\ufe0f',
      'admin\u3164',
      // Short enough as it is typed, too long once each letter is the three that NFC makes of it.
      '\ufb2c'.repeat(22),
    ]) {
      await assert.rejects(auth.users.add({ name }), { code: 'name-invalid' }, JSON.stringify(name))
    }
    for (const role of ['', 'A', 'a b', 'a"', '-a', 'x'.repeat(65)]) {
      await assert.rejects(auth.users.add({ name: 'Bob', roles: [role] }), { code: 'role-invalid' })
    }
    await auth.users.add({ name: 'Élodie O’Neil'.replace('’', "'"), roles: ['b', 'a', 'b'] })
    for (const name of ["élodie o'neil", "E\u0301LODIE O'NEIL"]) {
      await assert.rejects(auth.users.add({ name }), { code: 'name-taken' })
      assert.deepEqual((await auth.users.find(name))?.roles, ['a', 'b'])
    }
    await auth.users.add({ name: 'e\u0301'.repeat(64) })
    assert.equal((await auth.users.find('\u00e9'.repeat(64)))?.name, '\u00e9'.repeat(64))
    assert.equal(await auth.users.find('nobody'), undefined)
    assert.equal(await auth.users.find('\0'), undefined)
  })

  it('refuses a weak password with every reason and stores nothing', async (t) => {
    const { auth } = await startService(t)
    await assert.rejects(auth.users.add({ name: 'Alice', password: 'alice' }), {
      code: 'password-weak',
      reasons: ['too-short', 'contains-name'],
    })
    assert.deepEqual(await auth.users.list(), [])
  })

  it('says which user is not there', async (t) => {
    const { auth } = await startService(t)
    const missing = { code: 'user-unknown', message: 'there is no user "Bob"' }
    await assert.rejects(auth.users.disable('Bob'), missing)
    await assert.rejects(auth.users.enable('Bob'), missing)
    await assert.rejects(auth.users.setRoles('Bob', ['admin']), missing)
    await assert.rejects(auth.users.setPassword('Bob', 'four words of my own'), missing)
    assert.deepEqual(await auth.sessions.list('Bob'), [])
  })

  it('lists people and programs by name, with what they may do', async (t) => {
    const { auth } = await startService(t)
    await auth.users.add({ name: 'zoe', roles: ['admin'] })
    await auth.users.add({ name: 'Backup', kind: 'service' })
    await auth.users.disable('ZOE')
    const users = await auth.users.list()
    assert.deepEqual(
      users.map(({ name, kind, status, roles, hasPassword }) => [
        name,
        kind,
        status,
        roles,
        hasPassword,
      ]),
      [
        ['Backup', 'service', 'active', [], false],
        ['zoe', 'user', 'disabled', ['admin'], false],
      ],
    )
    assert.ok(users[1]?.disabledAt instanceof Date)
  })
})
