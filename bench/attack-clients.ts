/**
 * Slow clients: `node bench/attack-clients.ts PORT CA EACH SECONDS`. So many of each kind, each begun anew when it was cut, until the time is
 * over; then tells how many were cut, and waits until the last of them was.
 *
 * @module
 */
import { connect as connectTcp, type Socket } from 'node:net'
import { constants, setPriority } from 'node:os'
import { connect as connectTls } from 'node:tls'

// Elsewhere an attacker computes on a machine of its own: what its handshakes cost it is not what the others notice here.
setPriority(constants.priority.PRIORITY_LOW)

const [, , port = '', ca = '', each = '', seconds = ''] = process.argv
const until = performance.now() + Number(seconds) * 1000

const KINDS = {
  headers: { tls: true, head: 'GET / HTTP/1.1\r\n', drop: 'x: y\r\n' },
  bodies: {
    tls: true,
    head: 'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999\r\n\r\n',
    drop: 'a',
  },
  // A record of 512 bytes, and the first of the 508 of a ClientHello.
  handshakes: { tls: false, head: Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]), drop: '\0' },
} as const

const cut = { headers: 0, bodies: 0, handshakes: 0 }
const longestMs = { headers: 0, bodies: 0, handshakes: 0 }

async function attack(kind: keyof typeof KINDS): Promise<void> {
  const { tls, head, drop } = KINDS[kind]
  while (performance.now() < until) {
    const socket: Socket = tls
      ? connectTls({ host: '127.0.0.1', port: Number(port), servername: 'localhost', ca })
      : connectTcp({ host: '127.0.0.1', port: Number(port) })
    // A reset is an end as well; `once` would reject.
    socket.on('error', () => {})
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    socket.resume().once('close', () => resolve())
    socket.write(head)
    const since = performance.now()
    const timer = setInterval(() => socket.writable && socket.write(drop), 1000)
    await closed
    clearInterval(timer)
    cut[kind]++
    longestMs[kind] = Math.max(longestMs[kind], performance.now() - since)
  }
}

const attackers = Array.from({ length: Number(each) }, async () =>
  Promise.all([attack('headers'), attack('bodies'), attack('handshakes')]),
)
await Promise.all(attackers)
process.send?.({ cut, longestMs })
process.disconnect?.()
