/**
 * What every answer of the service has in common, asked of every route that it has.
 */
import assert from 'node:assert/strict'
import { Agent, type IncomingHttpHeaders } from 'node:http'
import { request as requestPlain } from 'node:http'
import { Agent as TlsAgent, request as requestTls } from 'node:https'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { dataFolder } from '../src/data-folder.ts'
import { type Service, startService } from '../src/service/service.ts'

scrubProcess()

const HOST = 'ca.corp.internal'
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']

interface Answer {
  what: string
  status: number
  headers: IncomingHttpHeaders
  text: string
}

const folder = temporaryFolder(after)
const agents = [new TlsAgent({ keepAlive: true, maxSockets: 4 }), new Agent()] as const
const answers: Answer[] = []
let service: Service
let roots = ''

before(async () => {
  const data = dataFolder(path.join(folder, 'data'))
  service = await startService({ data, listen: '127.0.0.1:0', names: [HOST], note: () => {} })
  roots = readFileSync(data.roots, 'utf8')
  for (const { method, route } of routesOf(service)) answers.push(await ask(method, route))
  answers.push(await ask('GET', '/nothing'), await ask('GET', '/console/nothing.js'))
})

after(async () => {
  for (const agent of agents) agent.destroy()
  await service.close()
})

describe('every answer', () => {
  it('tells browsers to load nothing, to frame nothing, to guess nothing and to come by HTTPS', () => {
    assert.ok(answers.length > 60, String(answers.length))
    for (const { what, headers } of answers) {
      const policy = String(headers['content-security-policy'])
      for (const part of ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"]) {
        assert.ok(policy.includes(part), `${what}: ${policy}`)
      }
      assert.doesNotMatch(policy, /unsafe|\*|https?:/, what)
      assert.equal(
        headers['strict-transport-security'],
        'max-age=63072000; includeSubDomains',
        what,
      )
      assert.equal(headers['x-content-type-options'], 'nosniff', what)
      assert.equal(headers['referrer-policy'], 'no-referrer', what)
      assert.equal(headers['cross-origin-opener-policy'], 'same-origin', what)
      assert.equal(headers['cross-origin-resource-policy'], 'same-origin', what)
      assert.equal(headers['x-frame-options'], 'DENY', what)
    }
  })

  it('is a page at the console only, and what it says that it is elsewhere', () => {
    for (const { what, headers, text } of answers) {
      const type = headers['content-type'] ?? ''
      if (text === '') continue
      if (/\+?json$/.test(type.split(';')[0] ?? ''))
        assert.doesNotThrow(() => JSON.parse(text), what)
      else assert.match(type, /; ?charset=utf-8$|^application\//i, `${what}: ${type}`)
      const policy = String(headers['content-security-policy'])
      if (type.startsWith('text/html')) assert.match(what, / \/console\//)
      else if (!what.includes('/console/')) assert.match(policy, /sandbox/, what)
    }
  })

  it('is for no other origin: nothing of CORS, whoever asks', () => {
    for (const { what, headers } of answers) {
      const names = Object.keys(headers).filter((name) => name.startsWith('access-control-'))
      assert.deepEqual(names, [], what)
    }
  })

  it('says nothing of HTTPS for good where the name is this machine’s', async () => {
    for (const host of ['localhost', 'localhost:8443', '127.0.0.1:8443', '[::1]']) {
      const { headers } = await ask('GET', '/healthz', host)
      assert.equal(headers['strict-transport-security'], undefined, host)
      assert.equal(headers['x-content-type-options'], 'nosniff')
    }
  })
})

describe('a method', () => {
  it('that a route does not have changes nothing and gets nothing', async () => {
    const known = new Map<string, Set<string>>()
    for (const { method, route } of routesOf(service)) {
      known.set(route, (known.get(route) ?? new Set()).add(method))
    }
    for (const [route, has] of known) {
      for (const method of METHODS.filter((each) => !has.has(each))) {
        const { status } = await ask(method, route)
        assert.ok(status === 404 || status === 405, `${method} ${route}: ${status}`)
      }
    }
  })
})

describe('plain HTTP', () => {
  it('leads pages to https, and refuses programs, whatever they bring', async () => {
    for (const page of ['/', '/console', '/console/', '/console/app.js']) {
      const { status, headers } = await ask('GET', page, HOST, true)
      assert.deepEqual([status, headers.location], [308, `https://${HOST}${page}`])
    }
    for (const { method, route } of routesOf(service)) {
      if (PLAIN.test(route) || PAGES.has(route)) continue
      const { status, headers, text } = await ask(method, route, HOST, true)
      assert.deepEqual([status, headers.location], [400, undefined], route)
      assert.match(text, /"code":"https-only"/)
    }
  })
})

/** Signed objects, which everybody may have over http (RFC 5280 §8). */
const PLAIN = /^\/(?:roots\.pem|intermediates\.pem|crl\/|ocsp)/
const PAGES: ReadonlySet<string> = new Set(['/', '/console', '/console/x'])

function routesOf({ routes }: Service): { method: string; route: string }[] {
  return routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path: route }) => ({
      method,
      route: route.replaceAll(/:\w+/g, 'x').replaceAll('*', 'x'),
    }))
}

async function ask(method: string, route: string, host = HOST, plain = false): Promise<Answer> {
  const { port } = new URL(service.url)
  const headers = {
    host,
    origin: 'https://evil.test',
    authorization: `Bearer countersign_pat_${'A'.repeat(49)}`,
    ...(method === 'GET' ? {} : { 'content-length': '0' }),
  }
  const common = { host: '127.0.0.1', port, method, path: route, headers }
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const sent = plain
    ? requestPlain({ ...common, agent: agents[1] })
    : requestTls({ ...common, agent: agents[0], servername: HOST, ca: roots })
  sent.once('error', reject)
  sent.once('response', (incoming) => {
    const chunks: Uint8Array[] = []
    incoming.on('data', (chunk: Uint8Array) => chunks.push(chunk))
    incoming.once('error', reject)
    incoming.once('end', () => {
      resolve({
        what: `${method} ${route}`,
        status: incoming.statusCode ?? 0,
        headers: incoming.headers,
        text: Buffer.concat(chunks).toString(),
      })
    })
  })
  sent.end()
  return await promise
}
