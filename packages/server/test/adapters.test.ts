import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { after, describe, it } from 'node:test'
import {
  type FetchEnvironment,
  type Handler,
  nodeListener,
  type Peer,
  peerOf,
  serve,
} from '@countersign/server'
import {
  outsideTool,
  runCommand,
  scrubProcess,
  skipWithout,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { ask } from './support.ts'

scrubProcess()
const authority = testAuthority()
const localhost = authority.issue({ names: ['localhost'] })
const ada = authority.issue({ names: ['ada'], client: true })
const secure = { cert: localhost.chainPem, key: localhost.keyPem }
const trust = { ca: authority.rootPem, servername: 'localhost' }
const identified = { ...trust, cert: ada.chainPem, key: ada.keyPem }
const folder = temporaryFolder(after)
const rootFile = path.join(folder, 'root.pem')
writeFileSync(rootFile, authority.rootPem)
const clientFile = path.join(folder, 'ada.pem')
writeFileSync(clientFile, ada.chainPem + ada.keyPem)

function whoIs(peer: Peer | undefined): string {
  return peer?.certificate?.subject.toString() ?? 'nobody'
}

function* numbers(): Generator<string> {
  for (let each = 0; each < 3; each++) yield `${each}\n`
}

/** The same application five times: who, stream, upload, fail, and slow, which waits to be let go. */
class Gate {
  readonly arrived = Promise.withResolvers<void>()
  readonly open = Promise.withResolvers<void>()
}

async function bareApplication(gate: Gate): Promise<Handler> {
  return nodeListener(async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    if (incoming.url === '/who') return outgoing.end(whoIs(peerOf(incoming)))
    if (incoming.url === '/stream') {
      for (const line of numbers()) outgoing.write(line)
      return outgoing.end()
    }
    if (incoming.url === '/upload') {
      let length = 0
      for await (const chunk of incoming) length += Buffer.from(chunk).length
      return outgoing.end(String(length))
    }
    if (incoming.url === '/slow') {
      gate.arrived.resolve()
      await gate.open.promise
      return outgoing.end('slow')
    }
    throw new Error('s3cret')
  })
}

async function fetchApplication(gate: Gate): Promise<Handler> {
  return async (request, { peer }) => {
    const { pathname } = new URL(request.url)
    if (pathname === '/who') return new Response(whoIs(peer))
    if (pathname === '/stream')
      return new Response(ReadableStream.from(numbers()).pipeThrough(new TextEncoderStream()))
    if (pathname === '/upload')
      return new Response(String((await request.arrayBuffer()).byteLength))
    if (pathname === '/slow') {
      gate.arrived.resolve()
      await gate.open.promise
      return new Response('slow')
    }
    throw new Error('s3cret')
  }
}

async function honoApplication(gate: Gate): Promise<Handler> {
  const app = new Hono<{ Bindings: FetchEnvironment }>()
  app.get('/who', (c) => c.text(whoIs(c.env.peer)))
  app.get('/stream', (c) =>
    c.body(ReadableStream.from(numbers()).pipeThrough(new TextEncoderStream())),
  )
  app.post('/upload', async (c) => c.text(String((await c.req.arrayBuffer()).byteLength)))
  app.get('/slow', async (c) => {
    gate.arrived.resolve()
    await gate.open.promise
    return c.text('slow')
  })
  app.onError((error) => {
    throw error
  })
  app.get('/fail', () => {
    throw new Error('s3cret')
  })
  return app
}

async function expressApplication(gate: Gate): Promise<Handler> {
  const app = express()
  app.set('env', 'production')
  app.get('/who', (request, response) => {
    response.send(whoIs(peerOf(request)))
  })
  app.get('/stream', (_request, response) => {
    for (const line of numbers()) response.write(line)
    response.end()
  })
  app.post('/upload', express.raw({ type: () => true, limit: '1mb' }), (request, response) => {
    response.send(String(request.body.length))
  })
  app.get('/slow', async (_request, response) => {
    gate.arrived.resolve()
    await gate.open.promise
    response.send('slow')
  })
  app.get('/fail', () => {
    throw new Error('s3cret')
  })
  // Express writes errors to the console otherwise; its own answer stays.
  app.use((error: Error, _request: unknown, response: express.Response, _next: unknown) => {
    response.status(500).send(error.name)
  })
  return nodeListener(app)
}

async function fastifyApplication(gate: Gate): Promise<Handler> {
  const app = fastify({
    bodyLimit: 1_000_000,
    // It wants a server of its own, which never listens.
    serverFactory: (handler) => createServer(handler),
  })
  after(async () => app.close())
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.get('/who', (request) => whoIs(peerOf(request.raw)))
  app.get('/stream', (_request, reply) =>
    reply.send(ReadableStream.from(numbers()).pipeThrough(new TextEncoderStream())),
  )
  app.post<{ Body: Buffer }>('/upload', (request) => String(request.body.length))
  app.get('/slow', async () => {
    gate.arrived.resolve()
    await gate.open.promise
    return 'slow'
  })
  app.get('/fail', () => {
    throw new Error('s3cret')
  })
  app.setErrorHandler((_error, _request, reply) => reply.status(500).send('failed'))
  await app.ready()
  return nodeListener((incoming, outgoing) => app.routing(incoming, outgoing))
}

const applications: [string, (gate: Gate) => Promise<Handler>, speaksHttp2: boolean][] = [
  ['a bare listener', bareApplication, true],
  ['a fetch handler', fetchApplication, true],
  ['Hono', honoApplication, true],
  // It gives requests a prototype of HTTP/1.1.
  ['Express 5', expressApplication, false],
  ['Fastify 5', fastifyApplication, true],
]

for (const [name, make, speaksHttp2] of applications) {
  describe(`${name} behind serve()`, () => {
    it('over HTTPS answers, streams, takes uploads and fails without a word of why', async () => {
      await using server = await serve(await make(new Gate()), { ...secure, onError: () => {} })
      const get = async (target: string) => ask(`${server.url}${target}`, { tls: trust })
      assert.equal((await get('/who')).body, 'nobody')
      assert.equal((await get('/stream')).body, '0\n1\n2\n')
      const upload = await ask(`${server.url}/upload`, {
        method: 'POST',
        body: 'x'.repeat(300_000),
        headers: { 'content-type': 'application/octet-stream' },
        tls: trust,
      })
      assert.equal(upload.body, '300000')
      const failed = await get('/fail')
      assert.equal(failed.status, 500)
      assert.doesNotMatch(failed.body, /s3cret/)
    })

    it('over mutual TLS knows the client, and is not asked by a stranger', async () => {
      await using server = await serve(await make(new Gate()), {
        ...secure,
        ca: authority.rootPem,
        verifyUser: true,
      })
      assert.equal((await ask(`${server.url}/who`, { tls: identified })).body, 'CN=ada')
      const stranger = await ask(`${server.url}/who`, { tls: trust })
      assert.equal(stranger.status, 403)
      assert.equal(JSON.parse(stranger.body).code, 'no-client-certificate')
    })

    it('answers what is under way before the server closes', async () => {
      const gate = new Gate()
      const server = await serve(await make(gate), secure)
      const answer = ask(`${server.url}/slow`, { tls: trust })
      await gate.arrived.promise
      const closing = server.close()
      gate.open.resolve()
      assert.equal((await answer).body, 'slow')
      await closing
    })

    it('speaks HTTP/2', { skip: speaksHttp2 ? skipWithout('curl') : 'it does not' }, async () => {
      await using server = await serve(await make(new Gate()), {
        ...secure,
        ca: authority.rootPem,
        verifyUser: true,
        http2: true,
      })
      const url = server.url.replace('127.0.0.1', 'localhost')
      const shared = [
        '-q',
        '-sS',
        '--http2',
        '--max-time',
        '30',
        '--cacert',
        rootFile,
        '-E',
        clientFile,
      ]
      const curl = async (...args: string[]): Promise<string> => {
        const { stdout, stderr } = await runCommand(outsideTool('curl') ?? '', [...shared, ...args])
        return stdout === '' ? stderr : stdout
      }
      assert.equal(await curl('-w', ' %{http_version}', `${url}/who`), 'CN=ada 2')
      assert.equal(await curl(`${url}/stream`), '0\n1\n2\n')
      const octets = ['-H', 'content-type: application/octet-stream']
      assert.equal(await curl('-d', 'x'.repeat(1000), ...octets, `${url}/upload`), '1000')
    })
  })
}
