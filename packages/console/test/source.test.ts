import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'

const folder = path.join(import.meta.dirname, '../web')
const sources = globSync('**/*.{ts,tsx}', { cwd: folder }).map((file) => ({
  file,
  text: readFileSync(path.join(folder, file), 'utf8'),
}))

describe('the source of the console', () => {
  it('writes text only, never HTML, and makes no code of text', () => {
    assert.ok(sources.length > 20, String(sources.length))
    for (const { file, text } of sources) {
      assert.doesNotMatch(
        text,
        /innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|\beval\(|new Function|srcdoc/,
        file,
      )
    }
  })

  it('takes no messages of other pages, keeps nothing in globals or in the browser, opens no other origin', () => {
    for (const { file, text } of sources) {
      assert.doesNotMatch(
        text,
        /postMessage|['"]message['"]|window\.\w+\s*=[^=]|localStorage|sessionStorage|indexedDB|document\.cookie|window\.open|https?:\/\//,
        file,
      )
    }
  })

  it('lets password managers and paste do their work', () => {
    const fields = sources.map(({ text }) => text).join('\n')
    for (const kind of ['username', 'current-password', 'new-password']) {
      assert.ok(fields.includes(`autoComplete="${kind}"`), kind)
    }
    assert.doesNotMatch(fields, /onPaste|onCopy|onDrop|autoComplete="off"[^>]*password/)
  })
})
