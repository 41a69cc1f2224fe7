/**
 * `serve --upstream --rate-limit` from several processes: one count for all.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { after, describe, it } from 'node:test'
import { scrubProcess, startProgram, temporaryFolder } from '@countersign/testkit'

scrubProcess()

const cwd = temporaryFolder(after)

/** One request on a connection of its own: the workers take them in turn. */
async function ask(url: string): Promise<{ status: number; by: string | undefined }> {
  const outgoing = request(url, { agent: false })
  outgoing.end()
  const [incoming] = await once(outgoing, 'response')
  incoming.resume()
  await once(incoming, 'end')
  return { status: incoming.statusCode, by: incoming.headers['retry-after'] }
}

describe('serve --upstream --rate-limit --workers', () => {
  it('allows what it says, however many processes there are, and a new worker changes nothing', async () => {
    const upstream = createServer((_incoming, outgoing) => outgoing.end('hello'))
    after(() => upstream.close())
    upstream.listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    const bound = upstream.address()
    assert.ok(typeof bound === 'object' && bound !== null)
    await using command = startProgram(
      [
        'serve',
        '--upstream',
        `http://127.0.0.1:${bound.port}`,
        '--rate-limit',
        '4/h',
        '--workers',
        '2',
        '--listen',
        '127.0.0.1:0',
        '--json',
      ],
      { cwd },
    )
    const [, json = ''] = await command.waitForOutput(/^(\{.*\})$/ms)
    const { url, workers } = JSON.parse(json)
    const answers: { status: number; by: string | undefined }[] = []
    for (let count = 0; count < 8; count++) answers.push(await ask(url))
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200, 429, 429, 429, 429],
    )
    assert.ok(Number(answers.at(-1)?.by) > 0)
    // What a worker has counted does not go with it.
    process.kill(workers[0], 'SIGKILL')
    await command.waitForOutput(/worker \d+ ended \(SIGKILL\): replaced/)
    for (let count = 0; count < 4; count++) assert.equal((await ask(url)).status, 429)
    assert.equal(await command.stop(), 0)
  })
})
