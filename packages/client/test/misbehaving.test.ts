import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { ClientError, get, TimeoutError } from '@countersign/client'
import { scrubProcess } from '@countersign/testkit'
import { type Misbehaviour, MISBEHAVIOURS } from './misbehaving-servers.ts'
import { startTcp } from './servers.ts'

scrubProcess()
const unhandled: unknown[] = []
const onUnhandled = (reason: unknown): void => {
  unhandled.push(reason)
}
process.on('unhandledRejection', onUnhandled)
after(() => {
  process.off('unhandledRejection', onUnhandled)
})

describe('a server that', () => {
  for (const row of MISBEHAVIOURS) {
    it(`${row.name}: ${row.outcome}`, { timeout: 30_000 }, async () => {
      const sockets = new Set<Socket>()
      await using server = await startTcp((socket) => {
        sockets.add(socket)
        socket.on('close', () => sockets.delete(socket))
        if (row.onConnect === true) row.serve(socket, '')
        else onRequest(socket, (request) => row.serve(socket, request))
      })
      const url = `${row.scheme ?? 'http'}://127.0.0.1:${server.port}`
      const [outcome, error] = await outcomeOf(row, url)
      assert.equal(outcome, row.outcome, error?.message)
      if (row.phase !== undefined) {
        assert.ok(error instanceof TimeoutError)
        assert.equal(error.phase, row.phase)
      }
      if (error === undefined) return
      // Whatever fails lets go of its connection, except where the answer was whole.
      const whole = new Set(['redirect-loop', 'redirect-limit', 'redirect-invalid', 'json-invalid'])
      if (whole.has(outcome) || row.options?.retry !== undefined) return
      const isWhole = /^body-(?:malformed|encoding|ratio)$/.test(outcome)
      if (!isWhole) await allClosed(sockets)
    })
  }

  it('leaves no rejection behind that nobody handles', async () => {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    assert.deepEqual(unhandled, [])
  })

  it('stands in the documents with what comes of it', () => {
    const file = path.join(import.meta.dirname, '../../../docs/reference/misbehaving-servers.md')
    const table = readFileSync(file, 'utf8')
      .split('\n')
      .filter((one) => one.startsWith('| '))
      .slice(2)
    assert.deepEqual(table, MISBEHAVIOURS.map(line))
  })
})

function line({ name, outcome, phase }: Misbehaviour): string {
  const failed = /^[a-z]+(?:-[a-z]+)*$/.test(outcome) && outcome !== 'fine'
  const words = failed
    ? `\`${outcome}\`${phase === undefined ? '' : `, phase \`${phase}\``}`
    : `answered: ${outcome}`
  return `| ${name} | ${words} |`
}

async function outcomeOf(
  { call = text, options = {} }: Misbehaviour,
  url: string,
): Promise<[string, ClientError?]> {
  try {
    return [await call(url, options)]
  } catch (error) {
    assert.ok(error instanceof ClientError, String(error))
    return [error.code, error]
  }
}

async function text(url: string, options: object): Promise<string> {
  return (await get(url, options)).text()
}

/** Calls back for every whole request head. */
function onRequest(socket: Socket, answer: (request: string) => void): void {
  let received = ''
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1')
    for (let end = received.indexOf('\r\n\r\n'); end >= 0; end = received.indexOf('\r\n\r\n')) {
      const request = received.slice(0, end)
      received = received.slice(end + 4)
      answer(request)
    }
  })
}

async function allClosed(sockets: ReadonlySet<Socket>): Promise<void> {
  for (let turn = 0; turn < 1500 && sockets.size > 0; turn++) {
    await new Promise((resolve) => {
      setTimeout(resolve, 10)
    })
  }
  assert.equal(sockets.size, 0, 'no connection is left')
}
