import { after, before, describe } from 'node:test'
import {
  type Postgres,
  scrubProcess,
  skipWithoutPostgres,
  startPostgres,
} from '@countersign/testkit'
import { ledgerTests } from './ledger-conformance.ts'
import { ledgerGroupTests } from './ledger-groups.ts'

scrubProcess()

describe('the ledger on PostgreSQL', { skip: skipWithoutPostgres() }, () => {
  let postgres: Postgres | undefined

  before(async () => {
    postgres = await startPostgres()
  })
  after(() => postgres?.stop())

  const databases = {
    async create(): Promise<string> {
      if (postgres === undefined) throw new Error('PostgreSQL could not be started')
      return await postgres.createDatabase()
    },
  }
  ledgerTests(databases)
  ledgerGroupTests(databases)
})
