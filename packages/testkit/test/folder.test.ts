import assert from 'node:assert/strict'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { temporaryFolder } from '../src/index.ts'

describe('temporaryFolder', () => {
  const seen: string[] = []
  const shared = temporaryFolder(after)

  it('is empty, private, and removed with all it holds after the test', (t) => {
    const folder = temporaryFolder(t)
    seen.push(folder)
    if (process.platform !== 'win32') assert.equal(statSync(folder).mode & 0o777, 0o700)
    writeFileSync(path.join(folder, 'file'), 'content')
    writeFileSync(path.join(shared, 'file'), 'content')
  })

  it('is gone in the next test, and one of the suite is still there', () => {
    assert.equal(seen.length, 1)
    assert.equal(existsSync(seen[0] ?? ''), false)
    assert.ok(existsSync(path.join(shared, 'file')))
  })
})
