import assert from 'node:assert/strict'
import { truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { readBoundedFile } from '@countersign/core'
import { runCommand, skipWithout, temporaryFolder } from '@countersign/testkit'

const folder = temporaryFolder(after)
const file = path.join(folder, 'file')

describe('readBoundedFile', () => {
  it('reads a file whole, up to its limit', () => {
    const data = Buffer.alloc(200_000, 'x')
    writeFileSync(file, data)
    assert.deepEqual(readBoundedFile(file), data)
    assert.deepEqual(readBoundedFile(file, 200_000), data)
    writeFileSync(file, '')
    assert.equal(readBoundedFile(file).length, 0)
  })

  it('refuses a larger file, and one that has no end', () => {
    truncateSync(file, 1024 * 1024 + 1)
    for (const one of [file, '/dev/zero']) {
      assert.throws(() => readBoundedFile(one, 1024 * 1024), {
        code: 'ERR_FS_FILE_TOO_LARGE',
        message: 'it is larger than 1 MiB',
      })
    }
  })

  it('refuses what is missing and a folder, as Node does', () => {
    assert.throws(() => readBoundedFile(path.join(folder, 'none')), { code: 'ENOENT' })
    assert.throws(() => readBoundedFile(folder), { code: 'EISDIR' })
  })

  it('does not wait for the writer of a named pipe, and takes the pipe of a shell', {
    skip: skipWithout('mkfifo', 'bash'),
  }, async () => {
    const pipe = path.join(folder, 'pipe')
    assert.equal((await runCommand('mkfifo', [pipe])).code, 0)
    assert.throws(() => readBoundedFile(pipe), { code: 'ESPIPE', message: 'it is a named pipe' })
    const program = `import { readBoundedFile } from ${JSON.stringify(import.meta.resolve('@countersign/core'))}
      process.stdout.write(readBoundedFile(process.argv[1]))`
    const script = `"$0" --input-type=module -e "$1" <(echo hello)`
    const result = await runCommand('bash', ['-c', script, process.execPath, program])
    assert.equal(result.stdout, 'hello\n', result.stderr)
  })
})
