import assert from 'node:assert/strict'
import { createWriteStream, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { type MultipartInput, post, put } from '@countersign/client'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { asGiven, failureOf } from './failures.ts'
import { sendJson, startServer, type TestServer } from './servers.ts'

scrubProcess()
const folder = temporaryFolder(after)
const report = path.join(folder, 'report "2026".txt')
const empty = path.join(folder, 'empty.bin')
let server: TestServer

before(async () => {
  writeFileSync(report, 'line one\r\nline two')
  writeFileSync(empty, '')
  server = await startServer((request, response) => {
    const {
      'content-type': type,
      'content-length': length,
      'transfer-encoding': coding,
    } = request.headers
    sendJson(response, { type, length, coding, body: request.body })
  })
})
after(async () => {
  await server[Symbol.asyncDispose]()
})

describe('a multipart body', () => {
  it('holds fields and files, each with its name, type and length', async () => {
    const { fields, length, coding } = await sent({
      name: 'Ada',
      count: 3,
      yes: true,
      tags: ['a', 'b'],
      left: undefined,
      bytes: Buffer.from([0, 255, 13, 10]),
      file: { file: report },
      empty: { file: empty, type: 'application/x-nothing', filename: 'none' },
      typed: { content: '{"a":1}', type: 'application/json' },
      blob: new File(['blob text'], 'b.txt', { type: 'text/plain' }),
    })
    assert.deepEqual(fields, [
      ['form-data; name="name"', undefined, 'Ada'],
      ['form-data; name="count"', undefined, '3'],
      ['form-data; name="yes"', undefined, 'true'],
      ['form-data; name="tags"', undefined, 'a'],
      ['form-data; name="tags"', undefined, 'b'],
      [
        'form-data; name="bytes"; filename="blob"',
        OCTETS,
        Buffer.from([0, 255, 13, 10]).toString(),
      ],
      ['form-data; name="file"; filename="report %222026%22.txt"', OCTETS, 'line one\r\nline two'],
      ['form-data; name="empty"; filename="none"', 'application/x-nothing', ''],
      ['form-data; name="typed"', 'application/json', '{"a":1}'],
      ['form-data; name="blob"; filename="b.txt"', 'text/plain', 'blob text'],
    ])
    assert.ok(Number(length) > 0, 'its length is known')
    assert.equal(coding, undefined)
  })

  it('cannot be broken out of by a name, a file name or a value', async () => {
    const nasty = 'a"\r\nx: y\r\n\r\nevil'
    const { fields } = await sent([
      [nasty, nasty],
      ['file', { content: 'x', filename: nasty }],
      ['ünïcödé', { content: 'é', filename: '日本.txt' }],
    ])
    assert.deepEqual(fields, [
      ['form-data; name="a%22%0D%0Ax: y%0D%0A%0D%0Aevil"', undefined, nasty],
      ['form-data; name="file"; filename="a%22%0D%0Ax: y%0D%0A%0D%0Aevil"', OCTETS, 'x'],
      ['form-data; name="ünïcödé"; filename="日本.txt"', OCTETS, 'é'],
    ])
  })

  it('is read back by the platform as it was meant', async () => {
    const form = new FormData()
    form.append('text', 'line\nbreak')
    form.append('file', new File(['content'], 'quote".txt'))
    const { type, body } = await answered(form)
    const parsed = await new Response(body, { headers: { 'content-type': type } }).formData()
    assert.equal(parsed.get('text'), 'line\nbreak')
    const file = parsed.get('file')
    assert.ok(file instanceof File)
    assert.equal(await file.text(), 'content')
  })

  it('with a stream is sent in chunks, and only once', async () => {
    const { fields, coding } = await sent({
      s: { content: pieces('a', '', 'b'), filename: 's.bin' },
    })
    assert.deepEqual(fields, [['form-data; name="s"; filename="s.bin"', OCTETS, 'ab']])
    assert.equal(coding, 'chunked')
    await using redirecting = await startServer((_request, response) => {
      response.writeHead(307, { location: '/again' }).end()
    })
    const second = await failureOf(
      put(redirecting.url, { multipart: { s: { content: pieces('a') } } }),
    )
    assert.equal(second.code, 'redirect-body')
  })

  it('with files only is sent again where that is needed', async () => {
    let failures = 1
    await using busy = await startServer((request, response) => {
      if (failures-- > 0) sendJson(response, 'busy', 503)
      else sendJson(response, request.body.includes('line two'))
    })
    const response = await put(busy.url, { multipart: { file: { file: report } }, retry: 1 })
    assert.equal(await response.json(), true)
    assert.equal(busy.seen.length, 2)
    assert.equal(busy.seen[0]?.body, busy.seen[1]?.body)
  })

  it('of a file that became shorter is an error, of one that grew the announced part', async () => {
    const file = path.join(folder, 'changing.log')
    writeFileSync(file, 'x'.repeat(300_000))
    const shorter = pieces(() => truncateSync(file, 100_000), 'first')
    const error = await failureOf(
      post(server.url, {
        multipart: [
          ['wait', { content: shorter }],
          ['log', { file }],
        ],
      }),
    )
    assert.equal(error.code, 'body-source-failed')
    assert.match(error.message, /became shorter/)
    const longer = pieces(async () => {
      const more = createWriteStream(file, { flags: 'a' })
      more.end('y'.repeat(1000))
      await once(more, 'finish')
    }, 'first')
    const { fields } = await sent([
      ['wait', { content: longer }],
      ['log', { file }],
    ])
    assert.equal(fields[1]?.[2], 'x'.repeat(100_000))
  })

  it('that cannot be sent is refused before anything is', async () => {
    const rows: readonly (readonly [unknown, string, RegExp])[] = [
      [5, 'option-invalid', /multipart must be/],
      [{ a: null }, 'option-invalid', /"a" must be text/],
      [{ a: {} }, 'option-conflict', /either file or content/],
      [{ a: { file: report, content: 'x' } }, 'option-conflict', /either/],
      [{ a: { path: report } }, 'option-unknown', /path/],
      [{ a: { file: path.join(folder, 'missing') } }, 'option-invalid', /cannot be read/],
      [{ a: { file: folder } }, 'option-invalid', /is not a file/],
      [{ a: { content: 5 } }, 'option-invalid', /text, bytes, a Blob or a stream/],
      [{ a: { content: 'x', type: 'text/plain\r\nx: y' } }, 'option-invalid', /media type/],
      [{ a: { content: 'x', filename: 5 } }, 'option-invalid', /filename/],
      [[['a']], 'option-invalid', /pairs/],
      [Array.from({ length: 10_001 }, () => ['a', 'b']), 'option-invalid', /10000 parts/],
    ]
    const until = server.seen.length
    for (const [multipart, code, words] of rows) {
      const error = await failureOf(post(server.url, asGiven({ multipart })))
      assert.equal(error.code, code, error.message)
      assert.match(error.message, words)
    }
    const both = await failureOf(post(server.url, { multipart: {}, json: 1 }))
    assert.equal(both.code, 'option-conflict')
    assert.equal(server.seen.length, until)
  })
})

describe('a body', () => {
  it('from a Blob has its type and length', async () => {
    const { type, length, body } = await (
      await post(server.url, { body: new Blob(['hello'], { type: 'text/x-greeting' }) })
    ).json(asRecord)
    assert.deepEqual([type, length, body], ['text/x-greeting', '5', 'hello'])
  })

  it('from a function is a new stream for every try', async () => {
    let opened = 0
    let failures = 2
    await using busy = await startServer((request, response) => {
      if (failures-- > 0) sendJson(response, 'busy', 503)
      else sendJson(response, request.body)
    })
    const body = (): AsyncIterable<string> => pieces(`try ${++opened}`)
    assert.equal(await (await put(busy.url, { body, retry: 2 })).json(), 'try 3')
  })

  it('that is a stream is not sent a second time', async () => {
    await using busy = await startServer((_request, response) => sendJson(response, 'busy', 503))
    assert.equal((await put(busy.url, { body: pieces('x'), retry: 2 })).status, 503)
    assert.equal(busy.seen.length, 1)
  })

  it('of something else than bytes fails the call', async () => {
    for (const body of [() => 5, odd()]) {
      const error = await failureOf(put(server.url, asGiven({ body })))
      assert.equal(error.code, 'body-source-failed')
    }
  })
})

interface Answered {
  type: string
  length: string | undefined
  coding: string | undefined
  body: string
}

function asRecord(value: unknown): Answered {
  const members = new Map(Object.entries(Object(value)))
  const text = (name: string): string | undefined => {
    const member = members.get(name)
    return typeof member === 'string' ? member : undefined
  }
  return {
    type: text('type') ?? '',
    length: text('length'),
    coding: text('coding'),
    body: text('body') ?? '',
  }
}

async function answered(multipart: MultipartInput): Promise<Answered> {
  return (await post(server.url, { multipart })).json(asRecord)
}

/** What arrived, taken apart by hand: disposition, type and content of every part. */
async function sent(multipart: MultipartInput): Promise<{
  fields: (string | undefined)[][]
  length?: string | undefined
  coding?: string | undefined
}> {
  const { type, length, coding, body } = await answered(multipart)
  const [, boundary = ''] = /^multipart\/form-data; boundary=([-\w]{20,70})$/.exec(type) ?? []
  assert.notEqual(boundary, '', type)
  const parts = `\r\n${body}`.split(`\r\n--${boundary}`)
  assert.equal(parts.shift(), '')
  assert.equal(parts.pop(), '--\r\n')
  const fields = parts.map((part) => {
    const end = part.indexOf('\r\n\r\n')
    const lines = part.slice(2, end).split('\r\n')
    const value = (name: string): string | undefined =>
      lines.find((one) => one.startsWith(`${name}: `))?.slice(name.length + 2)
    return [value('content-disposition'), value('content-type'), part.slice(end + 4)]
  })
  return { fields, length, coding }
}

async function* pieces(...given: readonly (string | (() => unknown))[]): AsyncGenerator<string> {
  for (const one of given) {
    if (typeof one === 'string') yield one
    else await one()
  }
}

async function* odd(): AsyncGenerator {
  yield 5
}

const OCTETS = 'application/octet-stream'
