/**
 * What a client takes along when it is redirected: eight credentials, seven redirects, our client and its peers.
 *
 * Usage: node bench/leaks.ts [--json FILE]
 *
 * @module
 */
import { writeFileSync } from 'node:fs'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { parseArgs } from 'node:util'
import { Session } from '@countersign/client'
import axios from 'axios'
import got from 'got'
import { Agent, fetch, interceptors, request } from 'undici'
import {
  type GridCall,
  type GridClient,
  gridTable,
  startGrid,
  walk,
} from '../packages/client/test/leak-grid.ts'

const countersign: GridClient = async ({ url, method, headers, form, basic, ca, identity }) => {
  await using session = new Session({ ca, headers, auth: basic, ...identity })
  const options = { method, form: form === undefined ? undefined : new URLSearchParams(form) }
  return (await session.request(url, options)).text()
}

const undiciFetch: GridClient = async (call) => {
  const dispatcher = undiciAgent(call)
  try {
    const { url, method } = call
    const response = await fetch(url, { dispatcher, method, ...withBasic(call) })
    return await response.text()
  } finally {
    await dispatcher.close()
  }
}

const undiciRequest: GridClient = async (call) => {
  const agent = undiciAgent(call)
  try {
    const dispatcher = agent.compose(interceptors.redirect({ maxRedirections: 5 }))
    const { url, method } = call
    const response = await request(url, { dispatcher, method, ...withBasic(call) })
    return await response.body.text()
  } finally {
    await agent.close()
  }
}

const gotRequest: GridClient = async ({ url, method, headers, form, basic, ca, identity }) =>
  got(url, {
    method,
    headers: { ...headers, ...(form === undefined ? {} : FORM) },
    ...basic,
    ...(form === undefined ? {} : { body: form }),
    https: { certificateAuthority: ca, certificate: identity?.cert, key: identity?.key },
    retry: { limit: 0 },
  }).text()

const axiosRequest: GridClient = async ({ url, method, headers, form, basic, ca, identity }) => {
  const httpsAgent = new HttpsAgent({ ca, ...identity })
  const httpAgent = new HttpAgent()
  try {
    return await axios.request<string>({
      url,
      method,
      headers: { ...headers, ...(form === undefined ? {} : FORM) },
      ...(basic === undefined ? {} : { auth: basic }),
      data: form,
      httpsAgent,
      httpAgent,
      proxy: false,
    })
  } finally {
    httpsAgent.destroy()
    httpAgent.destroy()
  }
}

function undiciAgent({ ca, identity }: GridCall): Agent {
  return new Agent({ connect: { ca, ...identity } })
}

/** undici knows no credentials: people write the header. */
function withBasic({ headers, form, basic }: GridCall): {
  headers: Record<string, string>
  body?: string
} {
  const all: Record<string, string> = { ...headers, ...(form === undefined ? {} : FORM) }
  if (basic !== undefined) {
    all['authorization'] =
      `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString('base64')}`
  }
  return form === undefined ? { headers: all } : { headers: all, body: form }
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

const clients: readonly (readonly [string, GridClient])[] = [
  ['@countersign/client', countersign],
  ['undici fetch', undiciFetch],
  ['undici request with its redirect interceptor', undiciRequest],
  ['got', gotRequest],
  ['axios', axiosRequest],
]

const { json } = parseArgs({ options: { json: { type: 'string' } } }).values
await using grid = await startGrid()
const results: Record<string, unknown> = {}
for (const [name, client] of clients) {
  const fates = await walk(grid, client)
  const leaks = [...fates.values()]
    .flatMap((row) => [...row.values()])
    .filter((fate) => fate === 'leaked')
  console.log(`\n### ${name}: ${leaks.length} leaked\n\n${gridTable(fates)}`)
  results[name] = {
    leaked: leaks.length,
    fates: Object.fromEntries(
      [...fates].map(([credential, row]) => [credential, Object.fromEntries(row)]),
    ),
  }
  if (client === countersign && leaks.length > 0) process.exitCode = 1
}
if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, null, 2)}\n`)
