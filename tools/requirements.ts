/**
 * Reads docs/reference/asvs.md and says what in it is not so: a requirement that is missing, a test that is not there, a heading that
 * is not on its page, a count that is wrong, a reason that is none.
 *
 * @module
 */
import path from 'node:path'

/** Where the table stands. */
export const REQUIREMENTS_PAGE = 'docs/reference/asvs.md'

/** How many requirements each section of ASVS 5.0.0 has, of the chapters that are answered here. Their numbers have no gaps. */
export const SECTIONS: Readonly<Record<string, number>> = {
  '3.1': 1,
  '3.2': 3,
  '3.3': 5,
  '3.4': 8,
  '3.5': 8,
  '3.6': 1,
  '3.7': 5,
  '4.1': 5,
  '4.2': 5,
  '4.3': 2,
  '4.4': 4,
  '6.1': 3,
  '6.2': 12,
  '6.3': 8,
  '6.4': 6,
  '6.5': 8,
  '6.6': 4,
  '6.7': 2,
  '6.8': 4,
  '7.1': 3,
  '7.2': 4,
  '7.3': 2,
  '7.4': 5,
  '7.5': 3,
  '7.6': 2,
  '8.1': 4,
  '8.2': 4,
  '8.3': 3,
  '8.4': 2,
  '9.1': 3,
  '9.2': 4,
  '10.1': 2,
  '10.2': 3,
  '10.3': 5,
  '10.4': 16,
  '10.5': 5,
  '10.6': 2,
  '10.7': 3,
  '12.1': 5,
  '12.2': 2,
  '12.3': 5,
  '16.1': 1,
  '16.2': 5,
  '16.3': 4,
  '16.4': 3,
  '16.5': 4,
}

const STATES = ['met', 'by the operator', 'not applicable', 'not met'] as const

/**
 * What is wrong with the page.
 *
 * @param page - its text
 * @param read - the text of a file of the repository, `undefined` where there is none
 * @param sections - the requirements that have to be there, in their order
 */
export function requirementProblems(
  page: string,
  read: (file: string) => string | undefined,
  sections: Readonly<Record<string, number>> = SECTIONS,
): string[] {
  const rows = requirementRows(page)
  const wanted = Object.entries(sections).flatMap(([section, count]) =>
    Array.from({ length: count }, (_, index) => `${section}.${index + 1}`),
  )
  const found = rows.map(({ id }) => id)
  return [
    ...wanted.filter((id) => !found.includes(id)).map((id) => `${id}: no row`),
    ...found.filter((id) => !wanted.includes(id)).map((id) => `${id}: ASVS has no such number`),
    ...found.filter((id, at) => found.indexOf(id) !== at).map((id) => `${id}: twice`),
    ...rows.flatMap((row) => rowProblems(row, read)),
    ...countProblems(page, rows),
    ...faultRows(page).flatMap((row) => faultProblems(row, read)),
  ]
}

interface Row {
  id: string
  asked: string
  state: string
  tests: string
  told: string
}

function requirementRows(page: string): Row[] {
  return [...page.matchAll(/^\| (\d+\.\d+\.\d+) \|(.*)\|$/gm)].map(([, id = '', rest = '']) => {
    const [asked = '', state = '', tests = '', told = ''] = cellsOf(rest)
    return { id, asked, state, tests, told }
  })
}

function cellsOf(row: string): string[] {
  return row.split('|').map((cell) => cell.trim())
}

function rowProblems({ id, asked, state, tests, told }: Row, read: Reader): string[] {
  const cited = citedTests(tests)
  const links = linksOf(told)
  const problems = [
    ...cited.flatMap((test) => testProblem(test, read)),
    ...links.flatMap((link) => linkProblem(link, read)),
  ]
  if (wordsOf(asked) === 0) problems.push('nothing is said of what is asked')
  if (wordsOf(asked) > 12) problems.push('what is asked takes more than twelve words')
  const isToldUnderHeading = links.some((link) => link.includes('#'))
  const isReasoned = wordsOf(told) >= 3
  if (state === 'met') {
    if (cited.length === 0 && !isToldUnderHeading)
      problems.push('met, and neither test nor heading')
  } else if (state === 'by the operator') {
    if (!isToldUnderHeading) problems.push('by the operator, and no heading says how')
  } else if (state === 'not applicable' || state === 'not met') {
    if (!isReasoned) problems.push(`${state}, and no reason`)
  } else problems.push(`"${state}" is none of ${STATES.join(', ')}`)
  return problems.map((problem) => `${id}: ${problem}`)
}

/** The page counts its rows by state. */
function countProblems(page: string, rows: readonly Row[]): string[] {
  return [...STATES, 'in all'].flatMap((state) => {
    const count = rows.filter((row) => state === 'in all' || row.state === state).length
    const line = new RegExp(`^\\| ${state} \\| (\\d+) \\|`, 'm').exec(page)
    return Number(line?.[1]) === count
      ? []
      : [`the count of "${state}" is ${count}, and the page says ${line?.[1] ?? 'nothing'}`]
  })
}

/** Rows `| class | cases | tests |` below the heading of other people's faults. */
function faultRows(page: string): { name: string; cases: string; tests: string }[] {
  const [, section = ''] = page.split(/^## Faults of others\n/m)
  return [...section.matchAll(/^\| (?!class \||---)(.*)\|$/gm)].map(([, row = '']) => {
    const [name = '', cases = '', tests = ''] = cellsOf(row)
    return { name, cases, tests }
  })
}

/** Every case is named by a test that is cited for it. */
function faultProblems(
  { name, cases, tests }: { name: string; cases: string; tests: string },
  read: Reader,
): string[] {
  const cited = citedTests(tests)
  const problems = cited.flatMap((test) => testProblem(test, read))
  const names = cited.flatMap((test) => fullNames(test, read)).join('\n')
  for (const part of cases.split(', ')) {
    if (part === '' || !names.includes(part)) problems.push(`no test names ${part}`)
  }
  return problems.map((problem) => `${name}: ${problem}`)
}

type Reader = (file: string) => string | undefined

/** `room/file: words of the name`, several with `<br>` between. */
function citedTests(cell: string): string[] {
  return cell === '–' ? [] : cell.split('<br>').map((test) => test.trim())
}

function testProblem(test: string, read: Reader): string[] {
  return fullNames(test, read).length > 0 ? [] : [`no test "${test}"`]
}

/** The names of the tests that a citation means. */
function fullNames(test: string, read: Reader): string[] {
  const [place = '', words = ''] = test.split(/: (.*)/s)
  const [room = '', file = ''] = place.split('/')
  const base = `packages/${room}/test/${file}`
  const source = read(`${base}.test.ts`)
  const names =
    source === undefined ? namesOf(read(`${base}.ts`) ?? '', RULE) : namesOf(source, TEST)
  return words === '' ? [] : names.filter((name) => name.includes(words))
}

/** As they are written, templates with their holes. */
function namesOf(source: string, pattern: RegExp): string[] {
  return [...source.matchAll(pattern)].map(([, , name = '']) => name)
}

const TEST = /\b(?:it|test)\(\s*(['"`])(.*?)\1/gs
/** A file beside the tests holds rules that several of them try: `name: '…'`. */
const RULE = /\bname: *(['"`])(.*?)\1/g

function linksOf(cell: string): string[] {
  return [...cell.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link)
}

function linkProblem(link: string, read: Reader): string[] {
  const [file = '', anchor] = link.split('#')
  const place = path.posix.join(path.posix.dirname(REQUIREMENTS_PAGE), file)
  const text = read(file === '' ? REQUIREMENTS_PAGE : place)
  if (text === undefined) return [`${link} is not there`]
  return anchor === undefined || headingsOf(text).includes(anchor)
    ? []
    : [`${link}: no such heading`]
}

/** As GitHub names them in links. */
function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function wordsOf(text: string): number {
  return text.match(/[\p{L}\p{N}][^\s]*/gu)?.length ?? 0
}
