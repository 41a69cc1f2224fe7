/** The ways of a call that do not go straight to the host of its URL: proxies with their own trust, and Unix sockets. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import * as http from 'node:http'
import * as https from 'node:https'
import * as net from 'node:net'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  type CommandResult,
  runProgram,
  scrubProcess,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'

scrubProcess()
const folder = temporaryFolder(after)
const ours = testAuthority()
const theirs = testAuthority()
const leaf = ours.issue({ names: ['service.internal'] })
const proxyLeaf = theirs.issue({ names: ['localhost'] })
const roots = path.join(folder, 'roots.pem')
const proxyRoots = path.join(folder, 'proxy-roots.pem')
const socket = path.join(folder, 'service.sock')
const servers: net.Server[] = []
const open = new Set<net.Socket>()
let plainProxy = ''
let secureProxy = ''

before(async () => {
  writeFileSync(roots, ours.rootPem)
  writeFileSync(proxyRoots, theirs.rootPem)
  const service = https.createServer(
    { key: leaf.keyPem, cert: leaf.chainPem },
    (_request, response) => response.end('behind the proxy'),
  )
  const target = await listening(service, 0)
  const onConnect = (_request: http.IncomingMessage, client: net.Socket): void => {
    const onward = net.connect(target, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connected\r\n\r\n')
      client.pipe(onward).pipe(client)
    })
    for (const one of [client, onward]) {
      one.on('error', () => {})
      one.on('close', () => {
        client.destroy()
        onward.destroy()
      })
    }
  }
  const plain = http.createServer((request, response) => response.end(`asked for ${request.url}`))
  const secure = https.createServer({ key: proxyLeaf.keyPem, cert: proxyLeaf.chainPem })
  for (const one of [plain, secure]) one.on('connect', onConnect)
  plainProxy = `http://localhost:${await listening(plain, 0)}`
  secureProxy = `https://localhost:${await listening(secure, 0)}`
  const local = http.createServer((request, response) =>
    response.end(`host ${request.headers.host}`),
  )
  await listening(local, socket)
})

after(async () => {
  for (const one of open) one.destroy()
  await Promise.all(
    servers.map(async (server) => {
      await new Promise((resolve) => {
        server.close(resolve)
      })
    }),
  )
})

describe('--proxy', () => {
  it('leads to a server that is verified as ever', async () => {
    const url = 'https://service.internal/'
    const trusted = await call('get', url, '--proxy', plainProxy, '--ca', roots)
    assert.equal(trusted.stdout, 'behind the proxy', trusted.stderr)
    const untrusted = await call('get', url, '--proxy', plainProxy, '--ca', proxyRoots)
    assert.equal(untrusted.code, 3)
    // Asking the host of the URL itself would be asking another server.
    assert.doesNotMatch(untrusted.stderr, /countersign explain/)
  })

  it('is verified against --proxy-ca, and the server is not', async () => {
    const url = 'https://service.internal/'
    const way = ['--proxy', secureProxy]
    const both = await call('get', url, ...way, '--proxy-ca', proxyRoots, '--ca', roots)
    assert.equal(both.stdout, 'behind the proxy', both.stderr)
    const server = await call('get', url, ...way, '--proxy-ca', proxyRoots)
    assert.equal(server.code, 3, 'the roots of the proxy are for the proxy')
    const proxy = await call('get', url, ...way, '--ca', roots)
    assert.equal(proxy.code, 3, 'the roots of the server are for the server')
  })

  it('is explained from what the call saw', async () => {
    const options = ['--explain', '--proxy', plainProxy, '--ca', proxyRoots]
    const { stderr, code } = await call('get', 'https://service.internal/', ...options)
    assert.equal(code, 3)
    assert.match(stderr, /service\.internal/)
    assert.match(stderr, /✗/)
  })

  it('beats the environment, and --no-proxy goes without', async () => {
    const env = { http_proxy: plainProxy }
    const url = 'http://service.invalid/x'
    assert.equal((await call('get', url, { env })).stdout, `asked for ${url}`)
    assert.equal((await call('get', url, '--no-proxy', { env })).code, 5)
    const dead = { http_proxy: 'http://localhost:1' }
    const own = await call('get', url, '--proxy', plainProxy, { env: dead })
    assert.equal(own.stdout, `asked for ${url}`)
  })

  it('holds no password, and none is repeated', async () => {
    const { stderr, code } = await call(
      'get',
      'http://h.invalid/',
      '--proxy',
      'http://a:hunter2@h:1',
    )
    assert.equal(code, 2)
    assert.match(stderr, /HTTPS_PROXY/)
    assert.doesNotMatch(stderr, /hunter2/)
    const scheme = await call('get', 'http://h.invalid/', '--proxy', 'ftp://h:1')
    assert.equal(scheme.code, 2)
    const unused = await call('get', 'http://h/', '--proxy', plainProxy, '--proxy-ca', proxyRoots)
    assert.equal(unused.code, 2, unused.stderr)
    assert.match(unused.stderr, /nothing to verify/)
  })
})

describe('--unix-socket', () => {
  it('is connected to instead of the host, and contradicts a proxy', async () => {
    const answer = await call('get', 'http://service.internal/x', '--unix-socket', socket)
    assert.equal(answer.stdout, 'host service.internal', answer.stderr)
    const missing = path.join(folder, 'missing.sock')
    assert.equal((await call('get', 'http://service.internal/', '--unix-socket', missing)).code, 5)
    const both = ['--unix-socket', socket, '--proxy', plainProxy]
    assert.equal((await call('get', 'http://service.internal/', ...both)).code, 2)
  })
})

async function call(...args: (string | { env: Record<string, string> })[]): Promise<CommandResult> {
  const words = args.filter((one) => typeof one === 'string')
  const extra = args.find((one) => typeof one !== 'string')?.env ?? {}
  const env = { COUNTERSIGN_CONFIG: path.join(folder, 'config'), ...extra }
  return runProgram(words, { env, timeoutMs: 60_000 })
}

async function listening(server: net.Server, place: number | string): Promise<number> {
  servers.push(server)
  server.on('connection', (one: net.Socket) => {
    open.add(one)
    one.on('error', () => {})
    one.on('close', () => open.delete(one))
  })
  await new Promise<void>((resolve) => {
    if (typeof place === 'string') server.listen(place, resolve)
    else server.listen(place, '127.0.0.1', resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
