import { after, before, describe } from 'node:test'
import {
  type Postgres,
  scrubProcess,
  skipWithoutPostgres,
  startPostgres,
} from '@countersign/testkit'
import { ledgerTests } from './ledger-conformance.ts'

scrubProcess()

describe('the ledger on PostgreSQL', { skip: skipWithoutPostgres() }, () => {
  let postgres: Postgres | undefined

  before(async () => {
    postgres = await startPostgres()
  })
  after(() => postgres?.stop())

  ledgerTests({
    async create() {
      if (postgres === undefined) throw new Error('PostgreSQL could not be started')
      return await postgres.createDatabase()
    },
  })
})
