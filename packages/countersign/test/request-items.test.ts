import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { temporaryFolder } from '@countersign/testkit'
import * as fc from 'fast-check'
import { nestedJson } from '../src/nested-json.ts'
import { parseRequestItems } from '../src/request-items.ts'

const folder = temporaryFolder(after)
const file = (name: string, content: string | Uint8Array): string => {
  const place = path.join(folder, name)
  writeFileSync(place, content)
  return place
}
const text = file('text.txt', 'a text\n')
const json = file('value.json', '{"a": [1]}')
const bytes = file('bytes.bin', Uint8Array.of(0xff, 0xfe))

/** Name and value of an item that is a text. */
function pairs(item: string): unknown {
  const [one] = parseRequestItems([item]).body
  return one?.kind === 'text' ? [one.name, one.value] : undefined
}

/** What keys and values make, as it is sent. */
function build(...entries: [string, unknown][]): unknown {
  return JSON.parse(JSON.stringify(nestedJson(entries)))
}

describe('request items', () => {
  it('are told apart by the separator that stands first, of several there by the longest', () => {
    const items = parseRequestItems([
      'name=a=b',
      'age:=7',
      'X-Test:v:w',
      'q==c d',
      'list:=[1,2]',
      'u=http://x:1/?a==b',
    ])
    assert.deepEqual(items.body, [
      { kind: 'text', name: 'name', value: 'a=b' },
      { kind: 'json', name: 'age', value: 7 },
      { kind: 'json', name: 'list', value: [1, 2] },
      { kind: 'text', name: 'u', value: 'http://x:1/?a==b' },
    ])
    assert.deepEqual(items.headers, [['X-Test', 'v:w']])
    assert.deepEqual(items.query, [['q', 'c d']])
  })

  it('take headers away with “Name:” and send them empty with “Name;”', () => {
    assert.deepEqual(parseRequestItems(['Accept:', 'X-Empty;', 'X:1', 'X:2']).headers, [
      ['Accept', undefined],
      ['X-Empty', ''],
      ['X', '1'],
      ['X', '2'],
    ])
    assert.throws(() => parseRequestItems(['X-Empty;value']), { code: 'usage' })
  })

  it('are read from files with @ behind the separator', () => {
    const items = parseRequestItems([
      `note=@${text}`,
      `value:=@${json}`,
      `q==@${text}`,
      `X-Note:@${text}`,
    ])
    assert.deepEqual(items.body, [
      { kind: 'text', name: 'note', value: 'a text\n' },
      { kind: 'json', name: 'value', value: { a: [1] } },
    ])
    assert.deepEqual(items.query, [['q', 'a text\n']])
    assert.deepEqual(items.headers, [['X-Note', 'a text']])
    assert.throws(() => parseRequestItems([`a=@${bytes}`]), { code: 'file-unreadable' })
    assert.throws(() => parseRequestItems([`a:=@${text}`]), { code: 'usage' })
    assert.throws(() => parseRequestItems([`a=@${folder}/none`]), { code: 'file-unreadable' })
  })

  it('send files, with a type by their name or by ;type=', () => {
    const { body, raw } = parseRequestItems([`f@${text}`, `g@${bytes};type=image/x-odd`])
    assert.partialDeepStrictEqual(body, [
      { kind: 'file', name: 'f', file: { name: 'text.txt', type: 'text/plain' } },
      { kind: 'file', name: 'g', file: { name: 'bytes.bin', type: 'image/x-odd' } },
    ])
    assert.equal(raw, undefined)
  })

  it('send a file as the whole body where there is no field', () => {
    const { body, raw } = parseRequestItems([`@${json}`])
    assert.deepEqual(body, [])
    assert.partialDeepStrictEqual(raw, { type: 'application/json' })
    assert.throws(() => parseRequestItems([`@${json}`, `@${text}`]), { code: 'usage' })
  })

  it('take a separator as it is behind a backslash, and a backslash as it is before anything else', () => {
    assert.deepEqual(pairs(String.raw`a\:b=c`), ['a:b', 'c'])
    assert.deepEqual(pairs(String.raw`a\=\=b=c\=d`), ['a==b', 'c=d'])
    assert.deepEqual(pairs(String.raw`user\@host=1`), ['user@host', '1'])
    assert.deepEqual(pairs(String.raw`path=c:\windows\new`), ['path', String.raw`c:\windows\new`])
    assert.deepEqual(pairs(String.raw`a\b=\\c`), [String.raw`a\b`, String.raw`\\c`])
  })

  it('are refused without a name, without a separator, and with broken JSON', () => {
    for (const item of ['plain', '=value', ':value', '==v', ':=1', 'a:=[1', '', String.raw`a\=b`]) {
      assert.throws(() => parseRequestItems([item]), { code: 'usage' }, item)
    }
  })

  it('do not repeat in a message what may be a password', () => {
    for (const item of ['password:=hunter2', 'X-Key;hunter2']) {
      assert.throws(
        () => parseRequestItems([item]),
        (error: Error) => !/hunter2/.test(error.message),
      )
    }
  })
})

describe('nested keys', () => {
  it('lead into objects and lists', () => {
    assert.deepEqual(
      build(
        ['name', 'Ada'],
        ['user[name]', 'Ada'],
        ['user[tags][]', 'x'],
        ['user[tags][]', 'y'],
        ['rows[1][id]', 7],
        ['rows[0]', null],
      ),
      { name: 'Ada', user: { name: 'Ada', tags: ['x', 'y'] }, rows: [null, { id: 7 }] },
    )
  })

  it('make a list of the whole where they begin with a bracket', () => {
    assert.deepEqual(build(['[]', 1], ['[]', 2], ['[3][a]', 4]), [1, 2, null, { a: 4 }])
    assert.deepEqual(build(['[name]', 1]), { name: 1 })
  })

  it('replace what stands there', () => {
    assert.deepEqual(build(['a', 1], ['a', 2]), { a: 2 })
    assert.deepEqual(build(['a', { b: 1 }], ['a[c]', 2]), { a: { b: 1, c: 2 } })
  })

  it('take brackets and numbers as they are behind a backslash', () => {
    assert.deepEqual(build([String.raw`a\[b\]`, 1]), { 'a[b]': 1 })
    assert.deepEqual(build([String.raw`a[\1]`, 1]), { a: { 1: 1 } })
    assert.deepEqual(build([String.raw`a[x\]y]`, 1]), { a: { 'x]y': 1 } })
  })

  it('are refused where they cannot be read or lead into what is no container', () => {
    const wrong: [string, unknown][][] = [
      [['a[b', 1]],
      [['a[b]c', 1]],
      [['a[-1]', 1]],
      [['a[99999]', 1]],
      [
        ['a', 1],
        ['a[b]', 2],
      ],
      [
        ['a', null],
        ['a[]', 2],
        ['a[b]', 2],
      ],
      [
        ['a[]', 1],
        ['a[b]', 2],
      ],
      [
        ['[]', 1],
        ['a', 2],
      ],
    ]
    for (const entries of wrong) {
      assert.throws(() => build(...entries), { code: 'usage' }, JSON.stringify(entries))
    }
  })

  it('reach no prototype', () => {
    assert.equal(
      JSON.stringify(
        nestedJson([
          ['__proto__[polluted]', 1],
          ['constructor', 2],
        ]),
      ),
      '{"__proto__":{"polluted":1},"constructor":2}',
    )
    assert.equal(Reflect.get({}, 'polluted'), undefined)
  })

  it('survive whatever they are', () => {
    const part = fc.constantFrom('a', '[', ']', '[]', '[0]', '[b]', '\\', '__proto__', '[-1]')
    const key = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(fc.array(key, { maxLength: 4 }), (keys) => {
        try {
          JSON.stringify(nestedJson(keys.map((one) => [one, 1] as const)))
        } catch (error) {
          assert.ok(
            error instanceof Error && 'code' in error && error.code === 'usage',
            String(error),
          )
        }
      }),
      { numRuns: 1000 },
    )
  })
})
