#!/usr/bin/env node
// Plain JavaScript that any Node can read: it finds a Node new enough for the program before the program is loaded.
// It imports no more than it needs: an import of node:process alone opens the standard streams, and takes milliseconds.
import { existsSync } from 'node:fs'
import module from 'node:module'
import { fileURLToPath } from 'node:url'

const NEEDED = [24, 17]
const program = fileURLToPath(new URL('../dist/program.cjs', import.meta.url))

if (!existsSync(program)) {
  process.stderr.write(
    'countersign: not built yet\nhint: run npm start or npm run build in the repository\n',
  )
  process.exitCode = 1
} else if (isNewEnough(process.versions.node)) {
  // Kept between runs in the system's temporary folder: the program starts a third faster.
  module.enableCompileCache()
  await module
    .createRequire(import.meta.url)(program)
    .runProgram(process.argv)
} else {
  await runWithBundledNode()
}

/** @param {string} version */
function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])
}

async function runWithBundledNode() {
  const node = bundledNode()
  if (node === undefined) {
    process.stderr.write(
      `countersign: this is Node ${process.versions.node}, and Node ${NEEDED.join('.')} or later is needed\n` +
        'hint: install Node 24 (https://nodejs.org) and run the command again\n',
    )
    process.exitCode = 1
    return
  }
  const { spawnSync } = await import('node:child_process')
  const child = spawnSync(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
  })
  process.exitCode = child.status ?? 1
}

/** The Node that npm installed beside the program, or `undefined` on a platform that has none. */
function bundledNode() {
  const require = module.createRequire(import.meta.url)
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const file = process.platform === 'win32' ? 'bin/node.exe' : 'bin/node'
  try {
    return require.resolve(`node-${platform}-${process.arch}/${file}`)
  } catch {
    return undefined
  }
}
