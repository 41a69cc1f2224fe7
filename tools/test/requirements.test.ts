import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { requirementProblems, SECTIONS } from '../requirements.ts'

const FILES: Record<string, string> = {
  'packages/auth/test/one.test.ts':
    "it('refuses a guess', () => {})\nit(`is ${what} (CVE-2026-1)`, f)",
  'packages/auth/test/rules.ts': "{ name: 'holds on both databases' }",
  'docs/guide/page.md': '# Page\n\n## What is `logged`, and why\n',
}
const read = (file: string): string | undefined => FILES[file]

const GOOD = `| met | 2 |
| by the operator | 1 |
| not applicable | 1 |
| not met | 1 |
| in all | 5 |

| 1.1.1 | no guesses | met | auth/one: refuses a guess<br>auth/rules: on both | – |
| 1.1.2 | a log | met | – | [log](../guide/page.md#what-is-logged-and-why) |
| 1.2.1 | a firewall | by the operator | – | [page](../guide/page.md#page) |
| 1.2.2 | SAML | not applicable | – | there is no SAML here |
| 1.2.3 | mail to users | not met | – | nothing sends mail |

## Faults of others

| class | cases | tests |
| --- | --- | --- |
| confusion | CVE-2026-1 | auth/one: is |
`

/** The problems of the page with something else in place of a part. */
function problems(part = '', other = ''): string[] {
  const page = GOOD.replace(part, other)
  assert.ok(part === '' || page !== GOOD, `the page has no ${part}`)
  return requirementProblems(page, read, { '1.1': 2, '1.2': 3 })
}

describe('the table of requirements', () => {
  it('is accepted where everything it cites is there', () => {
    assert.deepEqual(problems(), [])
  })

  const refused: [string, string, string, RegExp][] = [
    [
      'a test that is not there',
      'refuses a guess',
      'refuses two guesses',
      /^1\.1\.1: no test "auth/,
    ],
    ['a file of tests that is not there', 'auth/one: ref', 'auth/two: ref', /^1\.1\.1: no test/],
    ['a test without a word of its name', 'auth/rules: on both', 'auth/rules', /^1\.1\.1: no test/],
    ['one missing of two', 'auth/rules: on both', 'auth/rules: on none', /^1\.1\.1: no test/],
    ['a page that is not there', 'page.md#page', 'other.md#page', /^1\.2\.1: .* is not there/],
    ['a heading that is not there', '#page', '#pages', /^1\.2\.1: .* no such heading/],
    [
      'met without evidence',
      'auth/one: refuses a guess<br>auth/rules: on both',
      '–',
      /^1\.1\.1: met/,
    ],
    ['a page without a heading', '#what-is-logged-and-why', '', /^1\.1\.2: met, and neither/],
    ['the operator left alone', '[page](../guide/page.md#page)', 'ask us', /^1\.2\.1: by the/],
    ['no reason', 'there is no SAML here', '–', /^1\.2\.2: not applicable, and no reason/],
    ['a reason of a word', 'nothing sends mail', 'no', /^1\.2\.3: not met, and no reason/],
    ['a state nobody knows', 'not met |', 'almost |', /^1\.2\.3: "almost"|count of "not met"/],
    ['a row less', '| 1.2.3 |', '| 1.2 |', /^1\.2\.3: no row|count of/],
    ['a row nobody asked for', '| 1.2.3 |', '| 1.2.4 |', /^1\.2\.[34]: (?:no row|ASVS has no)/],
    ['a row twice', '| 1.2.3 |', '| 1.2.2 |', /^1\.2\.[23]: (?:no row|twice)/],
    ['nothing asked', 'no guesses', '', /^1\.1\.1: nothing is said/],
    [
      'a text that is long enough to be theirs',
      'a firewall',
      'w '.repeat(13),
      /^1\.2\.1: .* twelve/,
    ],
    ['a wrong count', '| in all | 5 |', '| in all | 6 |', /count of "in all" is 5/],
    ['a case that no test names', 'CVE-2026-1 |', 'CVE-2026-2 |', /^confusion: no test names CVE/],
    [
      'a test of a class that is not there',
      'auth/one: is |',
      'auth/one: was |',
      /^confusion: no test/,
    ],
  ]
  for (const [what, part, other, expected] of refused) {
    it(`is refused with ${what}`, () => {
      const found = problems(part, other)
      assert.ok(found.length > 0)
      for (const problem of found) assert.match(problem, expected)
    })
  }

  it('asks for the 198 requirements of nine chapters', () => {
    assert.equal(
      Object.values(SECTIONS).reduce((sum, count) => sum + count),
      198,
    )
    const chapters = new Set(Object.keys(SECTIONS).map((section) => section.split('.')[0]))
    assert.deepEqual([...chapters], ['3', '4', '6', '7', '8', '9', '10', '12', '16'])
  })
})
