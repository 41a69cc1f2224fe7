import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '@countersign/testkit'
import { readImports } from '../read-imports.ts'

const script = fileURLToPath(new URL('../check-imports.ts', import.meta.url))

/** Runs the check on a tree of files; manifests declare what `dependencies` says. */
function check(
  folder: string,
  files: Record<string, string>,
  dependencies: Record<string, string> = {},
): { status: number | null; stderr: string } {
  const rooms = new Set(Object.keys(files).map((file) => file.split('/')[1] ?? ''))
  const all: Record<string, string> = { 'package.json': '{}', ...files }
  for (const room of rooms) all[`packages/${room}/package.json`] = JSON.stringify({ dependencies })
  for (const [file, text] of Object.entries(all)) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
    writeFileSync(path.join(folder, file), text)
  }
  const { status, stderr } = spawnSync(process.execPath, [script, folder], { encoding: 'utf8' })
  return { status, stderr }
}

describe('check-imports', () => {
  it('accepts an arrow of the plan', (t) => {
    const files = { 'packages/x509/src/a.ts': "import { b } from '@countersign/core'\nb()" }
    const { status, stderr } = check(temporaryFolder(t), files, { '@countersign/core': '1' })
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
  })

  const refused: [string, Record<string, string>, RegExp][] = [
    [
      'an arrow that points up',
      { 'packages/x509/src/a.ts': "import { c } from '@countersign/tls'" },
      /x509 may not import tls/,
    ],
    [
      'auth that serves itself',
      { 'packages/auth/src/a.ts': "export type { S } from '@countersign/server'" },
      /auth may not import server/,
    ],
    [
      'a path into a package',
      { 'packages/tls/src/a.ts': "import { c } from '@countersign/x509/src/der.ts'" },
      /reaches into a package/,
    ],
    [
      'a relative path out of the package',
      {
        'packages/tls/src/a.ts': "import { c } from '../../x509/src/c.ts'",
        'packages/x509/src/c.ts': 'export const c = 1',
      },
      /leaves the package/,
    ],
    [
      'an undeclared dependency, lazily imported too',
      { 'packages/client/src/a.ts': "const u = await import('undici')" },
      /"undici" is not a declared dependency/,
    ],
    [
      'a cycle',
      {
        'packages/core/src/a.ts': "import { b } from './b.ts'",
        'packages/core/src/b.ts': "import type { a } from './a.ts'",
      },
      /cycle: packages\/core\/src\/a\.ts -> packages\/core\/src\/b\.ts -> packages\/core\/src\/a\.ts/,
    ],
    [
      'a room that is not in the plan',
      { 'packages/misc/src/a.ts': 'export const a = 1' },
      /"misc" is not in the plan/,
    ],
    ['a tree without sources', {}, /no source file/],
  ]
  for (const [name, files, expected] of refused) {
    it(`refuses ${name}`, (t) => {
      const { status, stderr } = check(temporaryFolder(t), files)
      assert.equal(status, 1)
      assert.match(stderr, expected)
    })
  }
})

describe('readImports', () => {
  it('finds every form and nothing in comments and strings', () => {
    const source = `
      import 'node:fs'
      import type { A } from "./a.ts"
      import {
        b,
        c, // from './not-this.ts'
      } from './b.ts'
      export * from './c.ts'
      /* import x from './nor-this.ts' */
      const text = "import y from './nor-that.ts'"
      const later = () => import('./d.ts')
    `
    assert.deepEqual(readImports(source), ['node:fs', './a.ts', './b.ts', './c.ts', './d.ts'])
  })
})
