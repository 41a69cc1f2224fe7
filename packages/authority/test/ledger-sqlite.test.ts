import path from 'node:path'
import { after, describe } from 'node:test'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { ledgerTests } from './ledger-conformance.ts'
import { ledgerGroupTests } from './ledger-groups.ts'

scrubProcess()

describe('the ledger on SQLite', () => {
  const folder = temporaryFolder(after)
  let count = 0
  const databases = { create: async () => `sqlite:${path.join(folder, `${++count}.db`)}` }
  ledgerTests(databases)
  ledgerGroupTests(databases)
})
