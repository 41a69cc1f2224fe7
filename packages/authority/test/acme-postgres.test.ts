import { after, before, describe } from 'node:test'
import {
  type Postgres,
  scrubProcess,
  skipWithoutPostgres,
  startPostgres,
} from '@countersign/testkit'
import { acmeTests } from './acme-protocol.ts'

scrubProcess()

describe('ACME on PostgreSQL', { skip: skipWithoutPostgres() }, () => {
  let postgres: Postgres | undefined

  before(async () => {
    postgres = await startPostgres()
  })
  after(() => postgres?.stop())

  acmeTests(async () => {
    if (postgres === undefined) throw new Error('PostgreSQL could not be started')
    return await postgres.createDatabase()
  })
})
