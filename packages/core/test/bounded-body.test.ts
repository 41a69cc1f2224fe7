import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readBoundedBody } from '@countersign/core'

const URL_ASKED = 'https://localhost/'

describe('readBoundedBody', () => {
  it('reads what is announced, what is not, and nothing', async () => {
    for (const [size, headers] of [
      [8, { 'content-length': '8' }],
      [8, {}],
      [8, { 'content-length': '8', 'transfer-encoding': 'chunked' }],
      [0, { 'content-length': '0' }],
    ] as const) {
      const read = await readBoundedBody(requestOf(size, headers), 8)
      assert.deepEqual(read === undefined ? undefined : Buffer.from(read), Buffer.alloc(size, 7))
    }
    assert.deepEqual(await readBoundedBody(new Request(URL_ASKED), 8), new Uint8Array())
  })

  it('answers nothing for a byte too many, whatever was announced', async () => {
    for (const headers of [{ 'content-length': '9' }, {}, { 'content-length': '3' }]) {
      assert.equal(await readBoundedBody(requestOf(9, headers), 8), undefined)
    }
  })

  it('stops at the limit, and leaves the rest where it is', async () => {
    let given = 0
    let isCancelled = false
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        given += 1
        controller.enqueue(new Uint8Array(4))
      },
      cancel() {
        isCancelled = true
      },
    })
    const request = new Request(URL_ASKED, { method: 'POST', body, duplex: 'half' })
    assert.equal(await readBoundedBody(request, 8), undefined)
    assert.ok(given < 10)
    assert.equal(isCancelled, false)
  })
})

function requestOf(size: number, headers: Record<string, string>): Request {
  return new Request(URL_ASKED, { method: 'POST', headers, body: new Uint8Array(size).fill(7) })
}
