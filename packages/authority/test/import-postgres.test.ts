import { after, before, describe } from 'node:test'
import { openStore } from '@countersign/store'
import {
  type Postgres,
  scrubProcess,
  skipWithoutPostgres,
  startPostgres,
} from '@countersign/testkit'
import { importTests } from './import-conformance.ts'

scrubProcess()

describe('importAuthority on PostgreSQL', { skip: skipWithoutPostgres() }, () => {
  let postgres: Postgres | undefined

  before(async () => {
    postgres = await startPostgres()
  })
  after(() => postgres?.stop())

  importTests(async (scope) => {
    if (postgres === undefined) throw new Error('PostgreSQL could not be started')
    const store = await openStore(await postgres.createDatabase())
    const whenDone = typeof scope === 'function' ? scope : scope.after.bind(scope)
    whenDone(() => store.close())
    return store
  })
})
