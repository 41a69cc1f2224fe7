import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { serve } from '@countersign/server'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { HandshakePace } from '../src/handshake-pace.ts'
import { openTls } from './support.ts'

scrubProcess()

/** More than a turn may spend. */
function computeLong(): void {
  const until = performance.now() + 5
  while (performance.now() < until);
}

function breakAfterLong(): void {
  computeLong()
  assert.fail('broken')
}

describe('the pace of handshakes', () => {
  it('begins one at once where nothing was begun in this turn', () => {
    const begun: string[] = []
    new HandshakePace().add(() => begun.push('first'))
    assert.deepEqual(begun, ['first'])
  })

  it('leaves to later turns what a turn has no time for, the newest first, and forgets nothing', async () => {
    const pace = new HandshakePace()
    const seen: string[] = []
    const handshake = (name: string) => (): void => {
      computeLong()
      seen.push(name)
    }
    for (const name of ['first', 'second', 'third']) pace.add(handshake(name))
    assert.deepEqual(seen, ['first'])
    const turns: string[][] = []
    while (seen.length < 3) {
      await turn()
      turns.push([...seen])
    }
    assert.deepEqual(seen, ['first', 'third', 'second'])
    assert.ok(turns.length >= 2, 'each had a turn of its own')
    pace.add(() => seen.push('fourth'))
    await turn()
    assert.equal(seen.at(-1), 'fourth')
  })

  it('goes on after one that throws', async () => {
    const pace = new HandshakePace()
    const seen: string[] = []
    assert.throws(() => pace.add(breakAfterLong), /broken/)
    pace.add(() => seen.push('waited'))
    while (seen.length === 0) await turn()
    assert.deepEqual(seen, ['waited'])
  })

  it('serves a crowd that connects at once, and the clients who leave while they wait do no harm', async () => {
    const authority = testAuthority()
    const { chainPem: cert, keyPem: key } = authority.issue({ names: ['localhost', '127.0.0.1'] })
    const failures: unknown[] = []
    await using server = await serve(() => new Response('here'), {
      cert,
      key,
      onError: (error) => failures.push(error),
    })
    const crowd = Array.from({ length: 40 }, async () =>
      openTls(server.port, { ca: authority.rootPem }),
    )
    for (let left = 0; left < 20; left++) {
      const socket = connect({ host: '127.0.0.1', port: server.port })
      socket.on('error', () => {})
      socket.once('connect', () => socket.destroy())
    }
    const sockets = await Promise.all(crowd)
    assert.equal(sockets.filter((socket) => socket.authorized).length, 40)
    for (const socket of sockets) socket.destroy()
    assert.deepEqual(failures, [])
  })
})
