/**
 * OpenSSL as a server that demands client certificates: unlike Node's it says why it refuses one.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { outsideTool, startCommand } from '@countersign/testkit'
import type { Holder } from './explain-certificates.ts'
import type { Start } from './explain-servers.ts'

/**
 * What starts it; the row that uses it says `needs: 'openssl'`.
 *
 * @param folder - where its files go
 * @param chain - leaf first
 * @param clients - whose certificates it accepts
 */
export function opensslServer(
  folder: string,
  chain: readonly Holder[],
  clients: Holder,
  version: 'TLSv1.2' | 'TLSv1.3',
): Start {
  return async () => {
    const openssl = outsideTool('openssl')
    assert.ok(openssl !== undefined)
    const name = `s_server-${++started}`
    const write = (kind: string, text: string): string => {
      const file = path.join(folder, `${name}-${kind}.pem`)
      writeFileSync(file, text, { mode: 0o600 })
      return file
    }
    const [leaf] = chain
    assert.ok(leaf)
    const own = write('own', leaf.key.toPem() + leaf.certificate.pem)
    const sent = write('chain', chain.map(({ certificate }) => certificate.pem).join(''))
    const accepted = write('clients', clients.certificate.pem)
    const args = ['s_server', '-accept', '127.0.0.1:0', '-www']
    const identity = ['-cert', own, '-cert_chain', sent]
    const demand = ['-Verify', '5', '-verify_return_error', '-CAfile', accepted]
    const only = version === 'TLSv1.2' ? '-tls1_2' : '-tls1_3'
    const server = startCommand(openssl, [...args, ...identity, ...demand, only])
    const [, port] = await server.waitForOutput(/^ACCEPT .*:(\d+)$/m)
    return {
      port: Number(port),
      [Symbol.asyncDispose]: async () => server[Symbol.asyncDispose](),
    }
  }
}

let started = 0
