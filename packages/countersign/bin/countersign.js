#!/usr/bin/env node
// Plain JavaScript that any Node can read: it finds a Node new enough for the program before the program is loaded.
// CommonJS, and with no more than it needs: an ES module that imports node:fs alone takes Node milliseconds.
'use strict'
const { existsSync } = require('node:fs')
const path = require('node:path')

const NEEDED = [24, 17]
const dist = path.join(__dirname, '..', 'dist')

if (!existsSync(path.join(dist, 'program.cjs'))) {
  process.stderr.write(
    'countersign: not built yet\nhint: run npm start or npm run build in the repository\n',
  )
  process.exitCode = 1
} else if (isNewEnough(process.versions.node)) {
  require('./load.js').load(dist, 'program.cjs').runProgram(process.argv)
} else {
  require('./above.js').runWithBundledNode(NEEDED)
}

/** @param {string} version */
function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])
}
