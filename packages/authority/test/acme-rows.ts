/** Rows of requests that are refused, each a test by its name. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Answer } from './acme-driver.ts'

/** What is sent, the type of the problem, and the status where it is not 400. */
export type Row = readonly [
  name: string,
  send: () => Promise<Answer>,
  problem: string,
  status?: number,
]

/** Declares a test for each row. */
export function refuse(rows: readonly Row[]): void {
  for (const [name, send, problem, status = 400] of rows) {
    it(name, async () => {
      const answer = await send()
      assert.deepEqual([answer.problem, answer.status], [problem, status], answer.text)
      assert.equal(answer.headers.get('content-type'), 'application/problem+json')
      assert.match(answer.headers.get('replay-nonce') ?? '', /^[\w-]{43}$/)
      assert.equal(answer.at('status'), status)
    })
  }
}
