/**
 * Bundles the compiled program with everything it imports into `packages/countersign/dist`: read from a dozen files instead
 * of six hundred it starts in about half the time. What is native, optional, or finds files beside itself stays outside.
 *
 * The files are CommonJS: Node starts them 15 ms sooner, since an ES module that imports one of Node's own modules touches
 * every export of it, and with that loads what nobody uses (`node:fs` streams, `node:http`'s undici). They are ASCII without
 * comments, which halves the time it takes to read them; `bin/load.js` counts on the former.
 *
 * Usage: node tools/bundle-program.mjs, from the repository's root, after `tsc -b`
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { rolldown } from 'rolldown'

const root = path.resolve('packages/countersign')
const dist = path.join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
const bundle = await rolldown({
  input: {
    program: path.join(root, 'build/run.js'),
    // A thread's program is a file of its own, beside the one that starts it.
    'list-thread': path.resolve('packages/server/dist/list-thread.js'),
    'argon2-thread': path.resolve('packages/auth/dist/argon2-thread.js'),
  },
  platform: 'node',
  external: [/^node:/, /^@node-rs\/argon2$/, /^pg$/, /^@countersign\/console$/],
  plugins: [lessAtStart()],
  onLog(level, log, handle) {
    if (level === 'warn' && log.code !== 'CIRCULAR_DEPENDENCY') throw new Error(log.message)
    handle(level, log)
  },
})
const { output } = await bundle.generate({
  format: 'cjs',
  entryFileNames: '[name].cjs',
  chunkFileNames: '[name].cjs',
  comments: false,
  dynamicImportInCjs: false,
})
await bundle.close()
mkdirSync(dist, { recursive: true })
const build = createHash('sha256')
for (const { fileName, code } of output) {
  const text = ascii(lightNamespaces(code))
  build.update(`${fileName}\0${text}\0`)
  writeFileSync(path.join(dist, fileName), text)
}
// Whoever keeps what was made of these files knows by it whether they are still the same.
writeFileSync(path.join(dist, 'build-id'), build.digest('hex').slice(0, 32))
writeFileSync(
  path.join(dist, 'THIRD-PARTY.txt'),
  notices(output.flatMap((chunk) => chunk.moduleIds ?? [])),
)

/** Puts into place at the build what would take a millisecond or more of every start. */
function lessAtStart() {
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  return {
    name: 'less-at-start',
    transform(code, id) {
      if (id === path.join(root, 'build', 'version.js')) {
        return `export const VERSION = ${JSON.stringify(version)}`
      }
      if (!/node_modules.commander.lib.command\.js$/.test(id)) return null
      // For subcommands that are programs of their own; ours are not.
      const line = "import childProcess from 'node:child_process';"
      if (!code.includes(line)) throw new Error(`commander no longer has: ${line}`)
      return code.replace(line, 'const childProcess = {};')
    },
  }
}

/** What a default import of Node's own modules needs, without a copy of every name that each of them has. */
function lightNamespaces(code) {
  return code.replaceAll(
    /^(let (\w+) = require\("node:[^"]+"\);\n)\2 = [\w.]+\.__toESM\(\2, 1\);$/gm,
    '$1$2 = { __proto__: $2, default: $2 };',
  )
}

/** The same code; every other character stands in a string or an expression, and there its number does as well. */
function ascii(code) {
  return code.replaceAll(
    /[^\0-\x7f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The licence of every package whose code is in the bundle: each asks to go wherever its code goes. */
function notices(moduleIds) {
  const folders = new Set(
    moduleIds.flatMap((id) => /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(id) ?? []),
  )
  return [...folders]
    .toSorted((a, b) => a.localeCompare(b))
    .map((folder) => {
      const { name, version, license } = JSON.parse(
        readFileSync(path.join(folder, 'package.json'), 'utf8'),
      )
      return `${name} ${version} (${license})\n\n${licenceText(folder)}\n`
    })
    .join(`${'-'.repeat(80)}\n`)
}

function licenceText(folder) {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name))
  if (file === undefined || !existsSync(path.join(folder, file)))
    return 'The package holds no licence file.'
  return readFileSync(path.join(folder, file), 'utf8').trim()
}
