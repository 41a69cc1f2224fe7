// The program below an older Node, which `above.js` runs: signals come through a pipe, and so does the end of the process above.
//
// Usage: node below.js DESCRIPTOR PID [ARGUMENT...], the descriptor of the pipe and the process above
'use strict'
const { Socket } = require('node:net')
const path = require('node:path')

const [, , descriptor, above] = process.argv
const program = path.join(__dirname, 'countersign.js')
process.argv.splice(1, 3, program)

// systemd gave them to the process above, which has passed them on.
for (const name of ['LISTEN_PID', 'WATCHDOG_PID']) {
  if (process.env[name] === above) process.env[name] = String(process.pid)
}

const pipe = new Socket({ fd: Number(descriptor), readable: true, writable: false })
let text = ''
pipe.setEncoding('latin1')
pipe.on('data', (chunk) => {
  const lines = (text + chunk).split('\n')
  text = lines.pop() ?? ''
  for (const name of lines) hear(name)
})
pipe.on('error', () => {})
// The process above has been killed: it would have said so otherwise.
pipe.once('close', () => hear('SIGTERM'))
pipe.unref()

require(program)

/**
 * The number tells whoever listens that this was passed on (`stop-signal.ts`); where nobody does, it is a signal like any other.
 *
 * @param {string} name
 */
function hear(name) {
  if (!process.emit(name, name, PASSED_ON)) process.kill(process.pid, name)
}

const PASSED_ON = 0
