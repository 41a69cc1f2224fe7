import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Finding, lint, LINT_RULES } from '../src/index.ts'
import { type Changes, lintable } from './lint-certificates.ts'
import type { LintRow } from './lint-row.ts'
import { CONTENT_ROWS } from './lint-rows-contents.ts'
import { KEY_ROWS } from './lint-rows-keys.ts'
import { MEASURED_ROWS } from './lint-rows-measured.ts'

const ROWS = [...MEASURED_ROWS, ...KEY_ROWS, ...CONTENT_ROWS]
const RULES: ReadonlySet<string> = new Set(LINT_RULES.map(({ id }) => id))

describe('lint, on what tools get wrong', () => {
  for (const row of ROWS) {
    it(`finds ${row.what}`, () => {
      const found = findings(row, row.bad)
      const twin = findings(row, row.good ?? {})
      for (const id of row.rules) {
        assert.ok(RULES.has(id), id)
        const finding = found.find((one) => one.id === id)
        assert.ok(finding !== undefined, `${id}, found ${idsOf(found)}`)
        assert.ok(finding.fix !== '' && finding.citation !== '' && finding.message !== '')
        assert.equal(
          twin.find((one) => one.id === id),
          undefined,
          idsOf(twin),
        )
      }
      // What the twin has beside is no defect, but for what goes with its key.
      assert.deepEqual(
        twin.filter(({ severity }) => severity === 'error'),
        [],
      )
    })
  }

  it('has a row for each defect it speaks of', () => {
    const rows = ROWS.map(({ what }) => what)
    assert.equal(new Set(rows).size, rows.length)
    assert.ok(rows.length >= 42, `${rows.length}`)
  })
})

/** As somebody does who has nothing but the file, unless the defect hides what the certificate is for. */
function findings({ profile, time, tellProfile }: LintRow, changes: Changes): Finding[] {
  const told = tellProfile === true ? { profile } : {}
  return lint(lintable(profile, changes), { time, ...told })
}

function idsOf(list: readonly Finding[]): string {
  return list.map(({ id }) => id).join(', ') || 'nothing'
}
