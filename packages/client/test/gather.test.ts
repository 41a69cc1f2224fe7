import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import { after, before, describe, it } from 'node:test'
import {
  AbortError,
  gather,
  gatherEach,
  OptionError,
  Session,
  StatusError,
} from '@countersign/client'
import { scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'
import { createDefaultContext } from '@countersign/tls'
import { asGiven, failureOf } from './failures.ts'
import { sendJson, startServer, type TestServer } from './servers.ts'

scrubProcess()
const ours = testAuthority()
const leaf = ours.issue({ names: ['localhost'] })
const roots = ours.write(temporaryFolder(after)).roots
let server: TestServer
let active = 0
let mostActive = 0

before(async () => {
  server = await startServer(
    (request, response) => {
      active++
      mostActive = Math.max(mostActive, active)
      setTimeout(
        () => {
          active--
          if (request.url === '/missing') sendJson(response, { detail: 'no' }, 404)
          else if (request.url === '/text') response.end('not json')
          else sendJson(response, { url: request.url, header: request.headers['x-route'] ?? null })
        },
        // Answers come back in another order than they were asked for.
        (Number(request.url.slice(1)) || 0) % 7,
      )
    },
    { key: leaf.keyPem, cert: leaf.chainPem },
  )
})
after(async () => {
  await server[Symbol.asyncDispose]()
})

describe('C6: routes of (url, headers) fetched together as JSON', () => {
  it('with a TLS context made from a CA file and handed to a session', async () => {
    const context = createDefaultContext({ ca: roots })
    await using session = new Session({ verify: context })
    const routes = [
      [`${server.url}/1`, { 'x-route': 'first' }],
      [`${server.url}/2`, { 'x-route': 'second' }],
    ] as const
    const results = await gather(routes, { session, as: 'json' })
    assert.deepEqual(
      results.map((result) => (result.ok ? result.value : result.error)),
      [
        { url: '/1', header: 'first' },
        { url: '/2', header: 'second' },
      ],
    )
  })

  it('1,000 URLs keep their order and the bound', async () => {
    await using session = new Session({ baseUrl: server.url, ca: roots })
    mostActive = 0
    const seen: number[] = []
    const results = await gather(
      Array.from({ length: 1000 }, (_, index) => `/${index}`),
      {
        session,
        as: 'json',
        concurrency: 24,
        onProgress: ({ done, total, index, result }) => {
          assert.equal(total, 1000)
          assert.ok(result.ok)
          assert.equal(done, seen.length + 1)
          seen.push(index)
        },
      },
    )
    assert.deepEqual(
      results.map((result) => result.ok && result.value),
      Array.from({ length: 1000 }, (_, index) => ({ url: `/${index}`, header: null })),
    )
    assert.ok(mostActive <= 24, `${mostActive} at once`)
    assert.equal(new Set(seen).size, 1000)
    assert.notDeepEqual(
      seen,
      [...seen].toSorted((a, b) => a - b),
      'they came in out of order',
    )
    assert.ok(server.open.size <= 24, `${server.open.size} open`)
  })

  it('takes every form of request, and makes an error of what fails', async () => {
    await using session = new Session({ ca: roots })
    const progress: number[] = []
    const results = await gather(
      [
        `${server.url}/1`,
        new URL(`${server.url}/2`),
        { url: `${server.url}/3`, method: 'POST', json: { a: 1 }, headers: { 'x-route': 'x' } },
        `${server.url}/missing`,
        `${server.url}/text`,
        'file:///etc/passwd',
        'http://127.0.0.1:1/',
      ],
      { session, as: 'json', onProgress: ({ failed }) => progress.push(failed) },
    )
    assert.deepEqual(
      results.map((result) => (result.ok ? 'ok' : result.error.code)),
      ['ok', 'ok', 'ok', 'status-client-error', 'json-invalid', 'url-scheme', 'refused'],
    )
    assert.ok(results[3] !== undefined && !results[3].ok && results[3].error instanceof StatusError)
    assert.equal(progress.at(-1), 4)
  })

  it('gives responses with their bodies loaded, text or bytes', async () => {
    await using session = new Session({ baseUrl: server.url, ca: roots })
    const [response] = await gather(['/missing'], { session })
    assert.ok(response?.ok === true)
    assert.equal(response.value.status, 404)
    assert.equal((await response.value.text()).length, 15)
    assert.deepEqual(await response.value.json(), { detail: 'no' })
    const [text] = await gather(['/text'], { session, as: 'text' })
    assert.ok(text?.ok === true && text.value === 'not json')
    const [bytes] = await gather(['/text'], { session, as: 'bytes' })
    assert.ok(bytes?.ok === true && bytes.value.length === 8)
  })

  it('takes from an async iterable only as there is room', async () => {
    await using session = new Session({ baseUrl: server.url, ca: roots })
    let taken = 0
    let done = 0
    async function* urls(): AsyncGenerator<string> {
      while (taken < 60) {
        assert.ok(taken - done <= 8, `${taken} taken, ${done} done`)
        taken++
        yield `/${taken}`
        await wait(0)
      }
    }
    const results = await gather(urls(), {
      session,
      concurrency: 8,
      onProgress: ({ total }) => {
        done++
        assert.equal(total, undefined)
      },
    })
    assert.equal(results.length, 60)
  })

  it('stops when its signal aborts, and lets go of everything', async () => {
    await using session = new Session({ baseUrl: server.url, ca: roots })
    const controller = new AbortController()
    let closed = false
    function* endless(): Generator<string> {
      try {
        for (;;) yield '/5'
      } finally {
        closed = true
      }
    }
    const error = await failureOf(
      gather(endless(), {
        session,
        concurrency: 4,
        signal: controller.signal,
        onProgress: ({ done }) => {
          if (done === 20) controller.abort(new Error('enough'))
        },
      }),
    )
    assert.ok(error instanceof AbortError)
    assert.ok(closed, 'the iterable was closed')
    await assert.rejects(gather([], { signal: controller.signal }), AbortError)
  })

  it('passes on what the iterable or onProgress throws', async () => {
    await using session = new Session({ baseUrl: server.url, ca: roots })
    await assert.rejects(gather(broken(), { session }), /no more/)
    await assert.rejects(
      gather(['/1', '/2', '/3'], {
        session,
        onProgress: () => {
          throw new Error('full disk')
        },
      }),
      /full disk/,
    )
  })

  it('refuses options nobody knows', async () => {
    await assert.rejects(gather([], asGiven({ concurency: 2 })), {
      code: 'option-unknown',
      hint: 'did you mean "concurrency"?',
    })
    await assert.rejects(gather([], { concurrency: 0 }), OptionError)
    assert.deepEqual(await gather([]), [])
  })
})

function* broken(): Generator<string> {
  yield '/1'
  throw new Error('no more')
}

describe('gather, given up', () => {
  it('does not wait for an iterable that never gives its next request', async () => {
    const { promise: never } = Promise.withResolvers<string>()
    async function* requests(): AsyncGenerator<string> {
      yield `${server.url}/1`
      yield await never
    }
    const controller = new AbortController()
    await using session = new Session({ ca: roots })
    const work = gather(requests(), {
      session,
      signal: controller.signal,
      onProgress: () => setImmediate(() => controller.abort()),
    })
    assert.ok((await failureOf(work)) instanceof AbortError)
  })

  it('refuses one request with a signal that is none, and makes the others', async () => {
    await using session = new Session({ ca: roots })
    const odd = asGiven({ url: `${server.url}/1`, signal: 5 })
    // @ts-expect-error a caller without types
    const [first, second] = await gather([odd, `${server.url}/2`], { session })
    assert.ok(first?.ok === false && first.error instanceof OptionError)
    assert.equal(second?.ok, true)
  })
})

describe('gatherEach', () => {
  it('gives every result in order, and keeps no more than it has to', async () => {
    await using session = new Session({ baseUrl: server.url, ca: roots })
    let taken = 0
    let given = 0
    function* urls(): Generator<string> {
      for (taken = 1; taken <= 500; taken++) {
        assert.ok(taken - given <= 17, `${taken} taken, ${given} given`)
        yield `/${taken - 1}`
      }
    }
    const progress: number[] = []
    const onProgress = ({ done }: { done: number }): void => {
      progress.push(done)
    }
    for await (const result of gatherEach(urls(), {
      session,
      as: 'json',
      concurrency: 8,
      onProgress,
    })) {
      assert.deepEqual(result.ok && result.value, { url: `/${given}`, header: null })
      given++
    }
    assert.equal(given, 500)
    assert.equal(progress.at(-1), 500)
  })

  it('waits for whoever reads slowly', async () => {
    await using session = new Session({ baseUrl: server.url, ca: roots })
    let taken = 0
    async function* urls(): AsyncGenerator<string> {
      for (;;) {
        taken++
        yield '/1'
      }
    }
    const results = gatherEach(urls(), { session, concurrency: 4 })
    await results.next()
    const settled = async (): Promise<number> => {
      const until = taken
      await wait(50)
      return taken === until ? taken : settled()
    }
    assert.ok((await settled()) <= 10, `${taken} taken`)
    await results.return(undefined)
  })

  it('lets go of everything when the loop is left', async () => {
    await using session = new Session({ baseUrl: server.url, ca: roots })
    let closed = false
    function* endless(): Generator<string> {
      try {
        for (;;) yield '/3'
      } finally {
        closed = true
      }
    }
    for await (const result of gatherEach(endless(), { session, concurrency: 4 })) {
      assert.ok(result.ok)
      break
    }
    assert.ok(closed)
  })

  it('fails like gather', async () => {
    await using session = new Session({ baseUrl: server.url, ca: roots })
    await assert.rejects(all(gatherEach(broken(), { session })), /no more/)
    await assert.rejects(all(gatherEach([], { signal: AbortSignal.abort() })), AbortError)
    await assert.rejects(all(gatherEach([], asGiven({ concurency: 2 }))), {
      code: 'option-unknown',
    })
    assert.deepEqual(await all(gatherEach([])), [])
    const mixed = await all(gatherEach(['/1', 'file:///etc/passwd'], { session, as: 'json' }))
    assert.equal(mixed.length, 2)
  })
})

async function all(each: AsyncIterable<unknown>): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const one of each) found.push(one)
  return found
}
