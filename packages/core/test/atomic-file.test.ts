import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CoreError, ensurePrivateFolder, makeFolder, writeFileAtomic } from '@countersign/core'
import { runCommand, skipWithout, temporaryFolder } from '@countersign/testkit'

describe('writeFileAtomic', () => {
  it('writes 0600 by default, whatever the umask says', async (t) => {
    const file = path.join(temporaryFolder(t), 'key.pem')
    const before = process.umask(0)
    t.after(() => process.umask(before))
    await writeFileAtomic(file, 'secret')
    assert.equal(statSync(file).mode & 0o777, 0o600)
    process.umask(0o077)
    await writeFileAtomic(file, 'public', { mode: 0o644 })
    assert.equal(statSync(file).mode & 0o777, 0o644)
    assert.equal(readFileSync(file, 'utf8'), 'public')
  })

  it('leaves the old file and no other where the write fails', async (t) => {
    const folder = temporaryFolder(t)
    const file = path.join(folder, 'taken')
    mkdirSync(file)
    writeFileSync(path.join(file, 'inside'), 'kept')
    await assert.rejects(
      writeFileAtomic(file, 'new'),
      (error) => error instanceof CoreError && error.code === 'file-write-failed',
    )
    assert.deepEqual(readdirSync(folder), ['taken'])
    assert.equal(readFileSync(path.join(file, 'inside'), 'utf8'), 'kept')
  })

  it('says what to do where the folder is not there', async (t) => {
    await assert.rejects(
      writeFileAtomic(path.join(temporaryFolder(t), 'no', 'file'), ''),
      (error) => error instanceof CoreError && error.hint === 'make the folder first',
    )
  })
})

describe('writeFileAtomic on a disk that is full', () => {
  it('keeps the old file whole, leaves no other, and says so', {
    skip: skipWithout('sh'),
  }, async (t) => {
    const folder = temporaryFolder(t)
    const file = path.join(folder, 'key.pem')
    writeFileSync(file, 'old')
    const script = `import { writeFileAtomic } from '@countersign/core'
      try { await writeFileAtomic(process.argv[1], 'x'.repeat(100_000)) } catch (error) { console.log(error.code, error.message) }`
    // A limit on the size of files fails a write as a full disk does, with EFBIG for ENOSPC.
    const { stdout } = await runCommand(
      'sh',
      [
        '-c',
        `trap '' XFSZ; ulimit -f 8; exec "$0" --conditions=@countersign/source --input-type=module -e "$1" "$2"`,
        process.execPath,
        script,
        file,
      ],
      { cwd: path.dirname(fileURLToPath(import.meta.url)) },
    )
    assert.match(stdout, /^file-write-failed cannot write .*key\.pem: EFBIG/)
    assert.equal(readFileSync(file, 'utf8'), 'old')
    assert.deepEqual(readdirSync(folder), ['key.pem'])
  })
})

describe('ensurePrivateFolder', () => {
  it('closes an existing folder to others and keeps its content', (t) => {
    const folder = path.join(temporaryFolder(t), 'data')
    mkdirSync(folder, { mode: 0o755 })
    writeFileSync(path.join(folder, 'file'), '')
    ensurePrivateFolder(folder)
    assert.equal(statSync(folder).mode & 0o777, 0o700)
    assert.deepEqual(readdirSync(folder), ['file'])
  })

  it('refuses a path that is a file', (t) => {
    const file = path.join(temporaryFolder(t), 'file')
    writeFileSync(file, '')
    assert.throws(
      () => {
        ensurePrivateFolder(file)
      },
      (error) => error instanceof CoreError && error.code === 'folder-not-private',
    )
  })
})

describe('makeFolder', () => {
  it('makes the parents as well, and leaves what is there as it is', (t) => {
    const folder = temporaryFolder(t)
    makeFolder(path.join(folder, 'a', 'b'), 0o700)
    assert.equal(statSync(path.join(folder, 'a')).mode & 0o777, 0o700)
    makeFolder(folder, 0o755)
    assert.equal(statSync(folder).mode & 0o777, 0o700)
  })

  it('ends with an error where nothing can be made, on a file system that answers ENOENT for ever', (t) => {
    if (process.platform !== 'linux') {
      t.skip('needs /proc')
      return
    }
    assert.throws(() => {
      makeFolder('/proc/countersign/x')
    })
  })
})
