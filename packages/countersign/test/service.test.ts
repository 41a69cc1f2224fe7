import assert from 'node:assert/strict'
import { existsSync, renameSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { initAuthority } from '@countersign/authority'
import { Session } from '@countersign/client'
import { ensurePrivateFolder } from '@countersign/core'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { updateConfiguration } from '../src/configuration.ts'
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
    const deadline = Date.now() + 60_000
    let serial = first
    while (serial === first && Date.now() < deadline)
      serial = await peerSerial(service.url, data.roots)
    assert.notEqual(serial, first)
    assert.match(notes.join('\n'), /renewed the service's certificate, valid until /)
  })

  it('keeps its certificate over a restart, and makes another when a name is added', async (t) => {
    const data = dataFolder(path.join(temporaryFolder(t), 'data'))
    ensurePrivateFolder(data.path)
    // The port is another one with every start, and the address at which clients ask would be as well.
    await updateConfiguration(data, { publicUrl: 'http://ca.corp.internal' })
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

  it('refuses a name that was asked for and cannot be in its certificate, instead of leaving it out', async (t) => {
    const data = dataFolder(path.join(temporaryFolder(t), 'data'))
    const start = async (names: string[]) =>
      startService({ data, listen: '127.0.0.1:0', names, note: () => {} })
    await assert.rejects(start(['bad name']), { code: 'name-invalid' })
    assert.ok(!existsSync(data.roots))
    {
      ensurePrivateFolder(data.path)
      await using store = await openDataStore(data)
      await initAuthority({ store, folder: data.path, constrain: ['.corp.internal'] })
    }
    await assert.rejects(start(['ca.corp.internal', 'ca.other.internal']), (error: Error) => {
      assert.equal(Reflect.get(error, 'code'), 'name-not-permitted')
      assert.match(error.message, /ca\.other\.internal$/)
      return true
    })
  })

  it('has the address that it listens on in its certificate', async (t) => {
    if (process.platform !== 'linux') {
      t.skip('needs Linux: elsewhere 127.0.0.2 is nobody')
      return
    }
    const data = dataFolder(path.join(temporaryFolder(t), 'data'))
    await using service = await startService({ data, listen: '127.0.0.2:0', note: () => {} })
    assert.match(service.url, /^https:\/\/127\.0\.0\.2:/)
    assert.notEqual(await peerSerial(service.url, data.roots), '')
  })

  it('replaces its own certificate once that is revoked', async (t) => {
    const data = dataFolder(path.join(temporaryFolder(t), 'data'))
    await using service = await startService({
      data,
      listen: '127.0.0.1:0',
      note: () => {},
      renewalCheckMs: 20,
    })
    const first = await peerSerial(service.url, data.roots)
    await service.authority.revoke(first)
    const deadline = Date.now() + 60_000
    let serial = first
    while (serial === first && Date.now() < deadline)
      serial = await peerSerial(service.url, data.roots)
    assert.notEqual(serial, first)
  })

  it('lets nobody in and issues nothing while its database is moved away, says so once, and goes on', async (t) => {
    const data = dataFolder(path.join(temporaryFolder(t), 'data'))
    const notes: string[] = []
    await using service = await startService({
      data,
      listen: '127.0.0.1:0',
      note: (text) => notes.push(text),
    })
    await using session = new Session({ baseUrl: service.url, ca: data.roots })
    const json = { code: service.setupCode, username: 'root', password: 'four words of my own' }
    assert.equal((await session.post('/auth/setup', { json })).status, 200)
    renameSync(data.database, `${data.database}.away`)
    // Two seconds may be answered from memory.
    await sleep(2300)
    await assert.rejects(service.authority.crl(), { code: 'unavailable' })
    for (const route of ['/readyz', '/auth/session', '/auth/setup', '/ca/certificates']) {
      const response = await session.get(route)
      assert.deepEqual([route, response.status], [route, 503])
      assert.doesNotMatch(await response.text(), /countersign\.db/)
    }
    const { username, password } = json
    for (const [route, body] of [
      ['/login', { username, password }],
      ['/auth/setup', json],
      ['/ca/certificates', {}],
      ['/ca/certificates/00/revoke', {}],
    ] as const) {
      const response = await session.post(route, { json: body })
      assert.deepEqual([route, response.status], [route, 503])
    }
    assert.equal(notes.filter((text) => text.endsWith('was moved or removed')).length, 1)
    renameSync(`${data.database}.away`, data.database)
    assert.equal((await session.get('/auth/session')).status, 200)
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
            `${method.toLowerCase()} ${route.replaceAll(/\/:(\w+)/g, '/{$1}')}`,
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
