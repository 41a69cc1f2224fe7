import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { openStore, parseStoreUrl } from '@countersign/store'

describe('parseStoreUrl', () => {
  it('reads a file, absolute in both spellings, or relative to the working folder', () => {
    for (const text of ['sqlite:/var/a.db', 'sqlite:///var/a.db']) {
      assert.equal(parseStoreUrl(text).display, `sqlite:${path.resolve('/var/a.db')}`)
    }
    assert.equal(parseStoreUrl('sqlite:a.db').display, `sqlite:${path.resolve('a.db')}`)
  })

  it('takes a name that looks like a URI of SQLite for the file name it is', () => {
    const file = path.resolve('file:a.db?mode=ro')
    assert.deepEqual(parseStoreUrl('sqlite:file:a.db?mode=ro'), {
      dialect: 'sqlite',
      file,
      display: `sqlite:${file}`,
    })
  })

  it('shows a PostgreSQL address without its secrets', () => {
    const { display } = parseStoreUrl('postgresql://u:s3cret@h:1/d?password=s3cret&sslmode=prefer')
    assert.equal(display, 'postgresql://u@h:1/d?sslmode=prefer')
  })

  it('refuses what it does not know, and never repeats it', async () => {
    const wrong = [
      '',
      'a.db',
      'mysql://u:s3cret@h/d',
      'sqlite:',
      'sqlite://s3cret/a',
      'postgres://s3cret:@@/:x',
    ]
    for (const text of wrong) {
      await assert.rejects(openStore(text), (error: Error) => {
        assert.equal(Reflect.get(error, 'code'), 'url-invalid')
        assert.doesNotMatch(error.message, /s3cret/)
        return true
      })
    }
  })

  it('refuses to reach PostgreSQL without checking who answers', () => {
    assert.throws(() => parseStoreUrl('postgres://h/d?sslmode=no-verify'), { code: 'url-invalid' })
  })

  it('refuses a misspelt option by name', async () => {
    const options: object = { clok: () => new Date() }
    await assert.rejects(openStore('sqlite::memory:', options), { code: 'option-unknown' })
  })
})
