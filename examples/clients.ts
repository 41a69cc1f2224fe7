/**
 * An internal API whose certificate no public root knows: the refusal, the ways to trust it, many calls at once.
 *
 * Run: node examples/clients.ts
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gather, get, Session, TrustError } from '@countersign/client'
import { serve } from '@countersign/server'
import { createDefaultContext } from '@countersign/tls'

const folder = mkdtempSync(path.join(tmpdir(), 'clients-'))
const bundle = path.join(folder, 'roots.pem')

await using server = await serve(
  (request) => Response.json({ path: new URL(request.url).pathname }),
  { adhoc: true },
)
writeFileSync(bundle, server.adhocRoots ?? '')
const { url } = server

// Default trust: refused, with the reason and the way out.
try {
  await get(`${url}/api`)
} catch (error) {
  if (!(error instanceof TrustError)) throw error
  console.log(`${error.code}: ${error.message}`)
}

// The bundle by path, for one call.
const response = await get(`${url}/api`, { verify: bundle })
console.log(response.status, await response.json())

// The bundle by environment variable, for every call, without changing code.
process.env['REQUESTS_CA_BUNDLE'] = bundle
await using fromEnvironment = new Session()
console.log(fromEnvironment.trust.describe().trace)
console.log((await fromEnvironment.get(`${url}/api`)).status)

// Many at once: a context from the bundle, routes of (url, headers), results as JSON in order.
const context = createDefaultContext({ ca: bundle })
await using session = new Session({ verify: context })
const routes = [
  [`${url}/api/1`, { accept: 'application/json' }],
  [`${url}/api/2`, { accept: 'application/json' }],
] as const
const results = await gather(routes, { as: 'json', session })
for (const result of results) console.log(result.ok ? result.value : result.error.message)

rmSync(folder, { recursive: true })
