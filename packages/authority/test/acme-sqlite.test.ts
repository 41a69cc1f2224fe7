import path from 'node:path'
import { after, describe } from 'node:test'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { acmeTests } from './acme-protocol.ts'

scrubProcess()

describe('ACME on SQLite', () => {
  const folder = temporaryFolder(after)
  acmeTests(async () => `sqlite:${path.join(folder, 'acme.db')}`)
})
