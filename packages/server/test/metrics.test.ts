import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Metrics, nodeListener, serve } from '@countersign/server'
import {
  outsideTool,
  runCommand,
  scrubProcess,
  skipWithout,
  testAuthority,
} from '@countersign/testkit'
import { familiesText, type MetricFamily, sumFamilies } from '../src/observe/families.ts'
import { ask, openTls, talk } from './support.ts'

scrubProcess()
const authority = testAuthority()
const localhost = authority.issue({ names: ['localhost', 'other.test'] })
const secure = { cert: localhost.chainPem, key: localhost.keyPem }
const trust = { ca: authority.rootPem, servername: 'localhost' }

/** The numbers by name and labels. */
function numbers(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ')
      return [line.slice(0, space), Number(line.slice(space + 1))]
    }),
  )
}

describe('the numbers of a server', () => {
  it('count handshakes, refusals, requests, bytes, reloads and days', async () => {
    const metrics = new Metrics()
    await using server = await serve(
      nodeListener((incoming, outgoing) => {
        outgoing.statusCode = incoming.url === '/no' ? 404 : 299
        outgoing.end('hello')
      }),
      {
        ...secure,
        ca: authority.rootPem,
        verifyUser: 'ask',
        // Two of one issuer, as with a list for each half of its certificates.
        crl: [authority.crlPem(), authority.crlPem()],
        hosts: { 'other.test': {} },
        metrics,
      },
    )
    const one = await openTls(server.port, trust)
    const ticket = new Promise<Buffer>((resolve) => {
      one.once('session', resolve)
    })
    await talk(one, 'GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
    const again = await openTls(server.port, { ...trust, session: await ticket })
    await talk(again, 'BREW /no HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
    const classic = { ...trust, maxVersion: 'TLSv1.2', ecdhCurve: 'P-384:P-256' } as const
    await ask(`${server.url}/no`, { tls: classic })
    const old = {
      ...trust,
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ciphers: 'ALL:@SECLEVEL=0',
    } as const
    await assert.rejects(ask(server.url, { tls: old }))
    await server.reload()
    await assert.rejects(server.reload({ key: authority.issue({ names: ['x'] }).keyPem }))
    const found = numbers(metrics.text())
    const version3 = 'cipher="TLS_AES_256_GCM_SHA384"'
    assert.partialDeepStrictEqual(Object.fromEntries(found), {
      [`countersign_handshakes_total{version="TLSv1.3",group="X25519MLKEM768",${version3},resumed="false"}`]: 1,
      [`countersign_handshakes_total{version="TLSv1.3",group="X25519MLKEM768",${version3},resumed="true"}`]: 1,
      'countersign_handshake_failures_total{reason="protocol-mismatch"}': 1,
      'countersign_requests_total{method="GET",status="404"}': 1,
      'countersign_requests_total{method="GET",status="other"}': 1,
      countersign_request_duration_seconds_count: 2,
      'countersign_request_duration_seconds_bucket{le="+Inf"}': 2,
      'countersign_reloads_total{result="ok"}': 1,
      'countersign_reloads_total{result="failed"}': 1,
    })
    const handshake12 = [...found.keys()].find((name) => name.includes('TLSv1.2')) ?? ''
    assert.match(handshake12, /group="P-384",cipher="TLS_ECDHE_ECDSA_WITH_/)
    assert.ok((found.get('countersign_received_bytes_total') ?? 0) > 50)
    assert.ok((found.get('countersign_sent_bytes_total') ?? 0) > 50)
    for (const site of ['', ',site="other.test"']) {
      const days = found.get(`countersign_certificate_days_left{certificate="server"${site}}`) ?? 0
      assert.ok(days > 0.5 && days < 400, `${days}`)
    }
    const names = [...metrics.text().matchAll(/^([^#\n].*) \S+$/gm)].map(([, name]) => name)
    assert.equal(new Set(names).size, names.length, 'a number stands there twice')
    const ages = [...found].filter(([name]) => name.startsWith('countersign_crl_'))
    assert.ok(ages.length >= 2, JSON.stringify(ages))
    // A server that is closed has no certificate any more; what was counted stays.
    await server.close()
    const left = numbers(metrics.text())
    assert.equal(left.has('countersign_connections'), false)
    assert.equal(left.get('countersign_reloads_total{result="ok"}'), 1)
  })

  it('have labels of closed sets, whatever a client sends', async () => {
    const metrics = new Metrics()
    await using server = await serve(() => new Response('x'), { metrics })
    for (const method of ['GET', 'PROPFIND', 'BREW', 'M-SEARCH', 'LINK']) {
      const answer = await ask(`${server.url}/${method}?x=${method}`, { method }).catch(
        () => undefined,
      )
      if (method === 'GET') assert.equal(answer?.status, 200)
    }
    const methods = [...numbers(metrics.text()).keys()].filter((name) => name.includes('method='))
    assert.ok(
      methods.every((name) => /method="(GET|other)"/.test(name)),
      methods.join('\n'),
    )
  })

  it('take other families, and let them go', () => {
    const metrics = new Metrics()
    const family: MetricFamily = { name: 'mine', type: 'gauge', help: 'x', samples: [{ value: 5 }] }
    const remove = metrics.add(() => [family])
    assert.equal(numbers(metrics.text()).get('mine'), 5)
    remove()
    assert.equal(numbers(metrics.text()).has('mine'), false)
  })

  it('are refused where they are none', async () => {
    const options = JSON.parse('{"metrics":{}}')
    await assert.rejects(
      serve(() => new Response('x'), options),
      { code: 'option-invalid' },
    )
  })

  it('are read by promtool', { skip: skipWithout('promtool') }, async () => {
    const text = new Metrics().text()
    const { code, stderr } = await runCommand(outsideTool('promtool') ?? '', ['check', 'metrics'], {
      input: text,
    })
    assert.equal(code, 0, stderr)
  })
})

describe('the text', () => {
  const families: MetricFamily[] = [
    {
      name: 'a_seconds',
      type: 'counter',
      help: 'line\nend \\',
      samples: [{ labels: { x: 'a"b\\c\nd' }, value: 1.5 }, { value: Number.POSITIVE_INFINITY }],
    },
    { name: 'b', type: 'gauge', help: 'b', samples: [{ labels: { one: '1' }, value: -1 }] },
    { name: 'b', type: 'gauge', help: 'other', samples: [{ labels: { one: '2' }, value: 2 }] },
    { name: 'empty', type: 'gauge', help: 'none', samples: [] },
  ]

  it('is Prometheus’ 0.0.4', () => {
    assert.equal(
      familiesText(families, false),
      [
        '# HELP a_seconds_total line\\nend \\\\',
        '# TYPE a_seconds_total counter',
        'a_seconds_total{x="a\\"b\\\\c\\nd"} 1.5',
        'a_seconds_total +Inf',
        '# HELP b b',
        '# TYPE b gauge',
        'b{one="1"} -1',
        'b{one="2"} 2',
        '',
      ].join('\n'),
    )
  })

  it('is OpenMetrics for who asks for it', async () => {
    const metrics = new Metrics()
    const accept = 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5'
    const open = metrics.response(new Request('http://a/', { headers: { accept } }))
    assert.match(
      open.headers.get('content-type') ?? '',
      /^application\/openmetrics-text; version=1\.0\.0/,
    )
    const text = await open.text()
    assert.match(text, /^# TYPE countersign_reloads counter$/m)
    assert.match(text, /^countersign_reloads_total\{result="ok"\} 0$/m)
    assert.ok(text.endsWith('# EOF\n'))
    const plain = metrics.response()
    assert.match(plain.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
    assert.doesNotMatch(await plain.text(), /EOF/)
  })

  it('of several processes is their sum, and what each knows alike once', () => {
    const one: MetricFamily[] = [
      { name: 'n', type: 'counter', help: 'n', samples: [{ labels: { a: '1' }, value: 2 }] },
      { name: 'd', type: 'gauge', help: 'd', across: 'same', samples: [{ value: 7 }] },
    ]
    const other: MetricFamily[] = [
      {
        name: 'n',
        type: 'counter',
        help: 'n',
        samples: [
          { labels: { a: '1' }, value: 3 },
          { labels: { a: '2' }, value: 4 },
        ],
      },
      { name: 'd', type: 'gauge', help: 'd', across: 'same', samples: [{ value: 6 }] },
    ]
    const found = numbers(familiesText(sumFamilies([one, other]), false))
    assert.deepEqual(Object.fromEntries(found), {
      'n_total{a="1"}': 5,
      'n_total{a="2"}': 4,
      d: 6,
    })
  })
})
