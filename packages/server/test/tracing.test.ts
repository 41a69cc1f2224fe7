import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { after, describe, it } from 'node:test'
import { nodeListener, requestIdOf, serve } from '@countersign/server'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import {
  type Context,
  context,
  type ContextManager,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { ask, openTcp } from './support.ts'

scrubProcess()
const authority = testAuthority()
const { chainPem: cert, keyPem: key } = authority.issue({ names: ['localhost'] })
const ada = authority.issue({ names: ['ada'], client: true })

/** What the SDK's own package does, which is not installed here. */
const storage = new AsyncLocalStorage<Context>()
const manager: ContextManager = {
  active: () => storage.getStore() ?? ROOT_CONTEXT,
  with: (active, work, self, ...given) =>
    storage.run(active, () => Reflect.apply(work, self, given)),
  bind: (_active, target) => target,
  enable: () => manager,
  disable: () => manager,
}
const exporter = new InMemorySpanExporter()
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
trace.setGlobalTracerProvider(provider)
context.setGlobalContextManager(manager)
propagation.setGlobalPropagator({
  inject: () => {},
  extract: (from, carrier, getter) => {
    const header = String(getter.get(carrier, 'traceparent') ?? '')
    const [, traceId, spanId] = /^00-(\w{32})-(\w{16})-01$/.exec(header) ?? []
    if (traceId === undefined || spanId === undefined) return from
    return trace.setSpanContext(from, { traceId, spanId, traceFlags: 1, isRemote: true })
  },
  fields: () => ['traceparent'],
})
after(async () => {
  trace.disable()
  context.disable()
  propagation.disable()
  await provider.shutdown()
})

/** The spans of a server, once so many have ended. */
async function ended(count: number): Promise<ReadableSpan[]> {
  while (exporter.getFinishedSpans().length < count) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
  const spans = exporter.getFinishedSpans()
  exporter.reset()
  return spans
}

describe('spans', () => {
  it('continue the trace of the client and hold what was asked, not what is secret', async () => {
    const tracer = trace.getTracer('test')
    let requestId = ''
    await using server = await serve(
      nodeListener((incoming, outgoing) => {
        requestId = requestIdOf(incoming)
        tracer.startSpan('inner').end()
        outgoing.end('x')
      }),
      { cert, key, ca: authority.rootPem, verifyUser: true },
    )
    const traceId = '0af7651916cd43dd8448eb211c80319c'
    await ask(`${server.url}/a/b?token=s3cret`, {
      headers: {
        host: 'localhost:7',
        traceparent: `00-${traceId}-b7ad6b7169203331-01`,
        cookie: 's3cret',
        'user-agent': 'tests',
      },
      tls: { ca: authority.rootPem, servername: 'localhost', cert: ada.chainPem, key: ada.keyPem },
    })
    const [inner, span] = await ended(2)
    assert.equal(span?.name, 'GET')
    assert.equal(span.kind, SpanKind.SERVER)
    assert.equal(span.spanContext().traceId, traceId)
    assert.equal(span.parentSpanContext?.spanId, 'b7ad6b7169203331')
    assert.equal(inner?.parentSpanContext?.spanId, span.spanContext().spanId)
    assert.equal(requestId, traceId)
    const { 'network.peer.port': port, 'tls.client.hash.sha256': digest, ...rest } = span.attributes
    assert.ok(Number(port) > 0)
    assert.match(String(digest), /^[0-9a-f]{64}$/)
    assert.deepEqual(rest, {
      'http.request.method': 'GET',
      'url.path': '/a/b',
      'url.scheme': 'https',
      'client.address': '127.0.0.1',
      'network.peer.address': '127.0.0.1',
      'network.protocol.name': 'http',
      'network.protocol.version': '1.1',
      'server.address': 'localhost',
      'server.port': 7,
      'user_agent.original': 'tests',
      'tls.protocol.name': 'tls',
      'tls.protocol.version': '1.3',
      'tls.client.subject': 'CN=ada',
      'http.response.status_code': 200,
    })
    assert.equal(span.status.code, SpanStatusCode.UNSET)
  })

  it('begin a trace of their own without, which is the id in the access log', async () => {
    const lines: string[] = []
    await using server = await serve(() => new Response('x', { status: 404 }), {
      accessLog: { to: { write: (line) => lines.push(line) } },
    })
    await ask(server.url, { headers: { traceparent: 'nonsense' } })
    const [span] = await ended(1)
    assert.equal(span?.parentSpanContext, undefined)
    assert.equal(span?.status.code, SpanStatusCode.UNSET)
    assert.equal(JSON.parse(lines[0] ?? '').requestId, span?.spanContext().traceId)
  })

  it('say that a handler failed, and that a client left', async () => {
    const arrived = Promise.withResolvers<void>()
    await using server = await serve(
      nodeListener((incoming) => {
        if (incoming.url === '/fail') throw new Error('no')
        arrived.resolve()
      }),
      { onError: () => {} },
    )
    await ask(`${server.url}/fail`, { method: 'BREW' }).catch(() => {})
    await ask(`${server.url}/fail`)
    const socket = await openTcp(server.port)
    socket.write('GET /gone HTTP/1.1\r\nhost: a\r\n\r\n')
    await arrived.promise
    const closed = once(socket, 'close')
    socket.destroy()
    await closed
    const [failed, gone] = await ended(2)
    assert.equal(failed?.attributes['error.type'], '500')
    assert.equal(failed?.status.code, SpanStatusCode.ERROR)
    assert.equal(gone?.attributes['error.type'], 'aborted')
    assert.equal(gone?.attributes['http.response.status_code'], undefined)
  })
})
