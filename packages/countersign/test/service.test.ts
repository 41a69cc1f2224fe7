import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { initAuthority } from '@countersign/authority'
import { Session } from '@countersign/client'
import { ensurePrivateFolder } from '@countersign/core'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { dataFolder } from '../src/data-folder.ts'
import { openDataStore } from '../src/open-data.ts'
import { openApiDocument } from '../src/service/openapi.ts'
import { startService } from '../src/service/service.ts'

scrubProcess()

const DAY_MS = 86_400_000

describe('the service', () => {
  it('renews its own certificate before it ends, without a restart', async (t) => {
    const data = dataFolder(path.join(temporaryFolder(t), 'data'))
    // Five of its seven days have passed by the time the clock jumps to today: more than two thirds.
    let behindMs = 5 * DAY_MS
    const notes: string[] = []
    await using service = await startService({
      data,
      listen: '127.0.0.1:0',
      note: (text) => notes.push(text),
      clock: () => new Date(Date.now() - behindMs),
      renewalCheckMs: 20,
    })
    const first = await peerSerial(service.url, data.roots)
    behindMs = 0
    const deadline = Date.now() + 10_000
    let serial = first
    while (serial === first && Date.now() < deadline)
      serial = await peerSerial(service.url, data.roots)
    assert.notEqual(serial, first)
    assert.match(notes.join('\n'), /renewed the service's certificate, valid until /)
  })

  it('keeps its certificate over a restart, and makes another when a name is added', async (t) => {
    const data = dataFolder(path.join(temporaryFolder(t), 'data'))
    const serials: string[] = []
    for (const names of [[], [], ['ca.corp.internal']]) {
      await using service = await startService({
        data,
        listen: '127.0.0.1:0',
        names,
        note: () => {},
      })
      serials.push(await peerSerial(service.url, data.roots))
    }
    assert.equal(serials[1], serials[0])
    assert.notEqual(serials[2], serials[0])
  })

  it('refuses to start where its authority may sign none of its names', async (t) => {
    const data = dataFolder(path.join(temporaryFolder(t), 'data'))
    {
      ensurePrivateFolder(data.path)
      await using store = await openDataStore(data)
      await initAuthority({ store, folder: data.path, constrain: ['.corp.internal'] })
    }
    const start = async (names: string[]) =>
      startService({ data, listen: '127.0.0.1:0', names, note: () => {} })
    await assert.rejects(start([]), { code: 'name-not-permitted' })
    await using service = await start(['ca.corp.internal'])
    assert.match(service.url, /^https:\/\/ca\.corp\.internal:\d+$/)
  })

  it('describes every route that it has, and no other', async (t) => {
    const data = dataFolder(path.join(temporaryFolder(t), 'data'))
    await using service = await startService({ data, listen: '127.0.0.1:0', note: () => {} })
    const routes = new Set(
      service.routes
        .filter(
          ({ method, path: route }) =>
            method !== 'ALL' && !route.includes('*') && !PAGES.has(route),
        )
        .map(
          ({ method, path: route }) =>
            `${method.toLowerCase()} ${route.replaceAll(/:(\w+)/g, '{$1}')}`,
        ),
    )
    assert.deepEqual(documentedRoutes().toSorted(), [...routes].toSorted())
  })
})

/** What a browser is sent on from; no interface. */
const PAGES = new Set(['/', '/console'])

function documentedRoutes(): string[] {
  const { paths } = openApiDocument()
  return Object.entries(paths).flatMap(([route, methods]) =>
    Object.keys(methods).map((method) => `${method} ${route}`),
  )
}

async function peerSerial(url: string, ca: string): Promise<string> {
  // A session of its own, so that the connection is a new one.
  await using session = new Session({ ca })
  const response = await session.get(`${url}/healthz`)
  await response.bytes()
  return response.peer.certificate?.serialNumber ?? ''
}
