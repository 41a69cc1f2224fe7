/**
 * One program, three ways to serve, chosen by two switches; and the chain of trust behind the third.
 *
 * Run: HTTPS_ENABLED=true VERIFY_USER=true node examples/three-ways.ts
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { initAuthority, writeIdentity } from '@countersign/authority'
import { get } from '@countersign/client'
import { serve } from '@countersign/server'
import { openStore } from '@countersign/store'
import { PrivateKey } from '@countersign/x509'

const https = process.env['HTTPS_ENABLED'] === 'true'
const verifyUser = process.env['VERIFY_USER'] === 'true'

// An authority of our own: a root, an issuer, and a certificate for each side.
const folder = mkdtempSync(path.join(tmpdir(), 'three-ways-'))
await using store = await openStore('sqlite::memory:')
const authority = await initAuthority({ store, folder, organization: 'Example' })
const server = await identity('localhost', 'server')
const client = await identity('alice', 'client')

await using running = await serve(() => new Response('Top-level content\n'), {
  https,
  verifyUser,
  ...(https ? { cert: server.certificate, key: server.key } : {}),
  ...(verifyUser ? { ca: server.roots } : {}),
})
const url = `${https ? 'https' : 'http'}://localhost:${running.port}/`

if (verifyUser) {
  const anonymous = await get(url, { ca: server.roots })
  console.log(anonymous.status, await anonymous.text())
}
const response = await get(url, {
  ...(https ? { ca: server.roots } : {}),
  ...(verifyUser ? { cert: client.certificate, key: client.key } : {}),
})
console.log(response.peer.protocol ?? 'plain HTTP', await response.text())
rmSync(folder, { recursive: true })

/** Issues one certificate and writes NAME.crt, NAME.key and roots.pem. */
async function identity(name: string, profile: 'server' | 'client') {
  const key = await PrivateKey.generate('p256')
  const { publicKey } = key
  const issued = await authority.issue({ names: [name], publicKey, profile, requester: 'example' })
  return await writeIdentity(folder, name, issued, { key, roots: authority.roots })
}
