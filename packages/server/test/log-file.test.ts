import assert from 'node:assert/strict'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { LogFile } from '../src/observe/log-file.ts'

scrubProcess()
const folder = temporaryFolder(after)
let files = 0

function openLog() {
  const file = path.join(folder, `${++files}.log`)
  const faults: unknown[] = []
  const log = new LogFile(file, (error) => faults.push(error))
  return { file, log, faults }
}

/** Lets whatever is under way come to its end. */
async function turns(count: number): Promise<void> {
  for (let each = 0; each < count; each++) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}

describe('a log that more is written to than one piece holds', () => {
  const wide = 'Jürgen 日本 😀'

  it('has every line, whole and in order, whatever its characters and however long', async () => {
    const { file, log, faults } = openLog()
    const written: string[] = []
    for (let each = 0; each < 4000; each++) {
      const length = each % 500 === 0 ? 70_000 : each % 700
      const line = `${each} ${wide} ${'日'.repeat(length)}\n`
      written.push(line)
      log.write(line)
      if (each % 100 === 0) await turns(1)
    }
    await log.close()
    assert.equal(log.dropped, 0)
    assert.deepEqual(faults, [])
    assert.equal(readFileSync(file, 'utf8') === written.join(''), true)
  })

  it('writes what is left when nothing more comes', async () => {
    const { file, log } = openLog()
    const line = `${'x'.repeat(999)}\n`
    for (let each = 0; each < 300; each++) log.write(line)
    const size = (): number => readFileSync(file).length
    while (size() < 300_000) await turns(10)
    assert.equal(size(), 300_000)
    await log.close()
    assert.equal(size(), 300_000)
  })

  it('loses lines rather than memory, and counts them', async () => {
    const { file, log } = openLog()
    const line = `${'x'.repeat(9999)}\n`
    for (let each = 0; each < 2000; each++) log.write(line)
    assert.ok(log.dropped > 0)
    await log.close()
    assert.equal(readFileSync(file).length + log.dropped * 10_000, 2000 * 10_000)
  })

  it('puts what came before it was opened again into the file before', async () => {
    const { file, log } = openLog()
    log.write('before\n')
    renameSync(file, `${file}.1`)
    await log.reopen()
    log.write('after\n')
    await log.close()
    log.write('too late\n')
    assert.equal(log.dropped, 1)
    assert.equal(readFileSync(`${file}.1`, 'utf8'), 'before\n')
    assert.equal(readFileSync(file, 'utf8'), 'after\n')
  })

  it('counts the lines that a full disk did not take', {
    skip: existsSync('/dev/full') ? false : 'there is no /dev/full',
  }, async () => {
    const faults: unknown[] = []
    const log = new LogFile('/dev/full', (error) => faults.push(error))
    const line = `${'x'.repeat(999)}\n`
    for (let each = 0; each < 500; each++) log.write(line)
    await log.close()
    assert.equal(log.dropped, 500)
    assert.equal(faults.length, 1)
  })
})
