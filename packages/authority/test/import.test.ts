import { describe } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import { openMemory } from './fixture.ts'
import { importTests } from './import-conformance.ts'

scrubProcess()

describe('importAuthority on SQLite', () => {
  importTests(openMemory)
})
