/**
 * Bundles the compiled program with everything it imports into `packages/countersign/dist`: read from a dozen files instead
 * of six hundred it starts in about half the time. What is native, optional, or finds files beside itself stays outside.
 *
 * The files are CommonJS: Node starts them 15 ms sooner, since an ES module that imports one of Node's own modules touches
 * every export of it, and with that loads what nobody uses (`node:fs` streams, `node:http`'s undici).
 *
 * Usage: node tools/bundle-program.mjs, from the repository's root, after `tsc -b`
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
  },
  platform: 'node',
  external: [/^node:/, /^@node-rs\/argon2$/, /^pg$/, /^@countersign\/console$/],
  onLog(level, log, handle) {
    if (level === 'warn' && log.code !== 'CIRCULAR_DEPENDENCY') throw new Error(log.message)
    handle(level, log)
  },
})
const { output } = await bundle.write({
  dir: dist,
  format: 'cjs',
  entryFileNames: '[name].cjs',
  chunkFileNames: '[name].cjs',
})
await bundle.close()
writeFileSync(
  path.join(dist, 'THIRD-PARTY.txt'),
  notices(output.flatMap((chunk) => chunk.moduleIds ?? [])),
)

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
