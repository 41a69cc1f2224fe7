// What an older Node does: it runs the program by the Node that npm installed beside it, and stands for it meanwhile. Whoever stops,
// waits for or kills this process means the program below: signals are passed on, the end is its end, and it does not outlive this one.
//
// Between the two is a pipe (`below.js` has its other end). Signals go down it as words: a terminal tells both processes of the same
// Ctrl-C, and only what comes this way can be known for what was told already. That it closes is how the end of this process is noticed.
'use strict'
const { spawn } = require('node:child_process')
const { constants } = require('node:os')
const path = require('node:path')

module.exports = { runWithBundledNode }

/**
 * Runs this command line by the bundled Node, and ends as that does.
 *
 * @param {number[]} needed - the first version that will do
 */
function runWithBundledNode(needed) {
  const node = bundledNode()
  if (node === undefined) {
    process.stderr.write(
      `countersign: this is Node ${process.versions.node}, and Node ${needed.join('.')} or later is needed\n` +
        'hint: install Node 24 (https://nodejs.org) and run the command again\n',
    )
    process.exitCode = 1
    return
  }
  // What systemd opened begins at 3; the pipe comes after it.
  const descriptors = ['inherit', 'inherit', 'inherit', ...activatedSockets()]
  const below = path.join(__dirname, 'below.js')
  const facts = [String(descriptors.length), String(process.pid)]
  let child
  try {
    child = spawn(node, [below, ...facts, ...process.argv.slice(2)], {
      stdio: [...descriptors, 'overlapped'],
    })
  } catch (error) {
    fail(node, error)
    return
  }
  const pipe = child.stdio[descriptors.length]
  // It is closed where the program has just ended.
  pipe?.on('error', () => {})
  const told = new Set()
  for (const name of SIGNALS) {
    process.on(name, () => {
      pipe?.write(`${name}\n`)
      // A program that is too busy to read heeds this one, as it would without us.
      if (told.has(name)) child.kill(name)
      told.add(name)
    })
  }
  child.once('error', (error) => fail(node, error))
  child.once('exit', (code, signal) => {
    for (const name of SIGNALS) process.removeAllListeners(name)
    pipe?.destroy()
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0)
    // Whoever waits sees what ended the program; the first process of a container cannot be ended this way.
    if (signal !== null) process.kill(process.pid, signal)
  })
}

/** @param {string} node @param {Error} error */
function fail(node, error) {
  process.stderr.write(`countersign: ${node} cannot be started: ${error.message}\n`)
  process.exitCode = 1
}

/** The Node that npm installed beside the program, or `undefined` on a platform that has none. */
function bundledNode() {
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const file = process.platform === 'win32' ? 'bin/node.exe' : 'bin/node'
  try {
    return require.resolve(`node-${platform}-${process.arch}/${file}`)
  } catch {
    return undefined
  }
}

/** The descriptors of sockets that this process was started with (sd_listen_fds(3)). */
function activatedSockets() {
  const { LISTEN_PID: forPid, LISTEN_FDS: count = '' } = process.env
  if (forPid !== String(process.pid) || !/^[1-9]\d{0,3}$/.test(count)) return []
  return Array.from({ length: Number(count) }, (_, index) => FIRST_SOCKET + index)
}

const FIRST_SOCKET = 3
/** Those that end a process unless it says otherwise, and that one process sends to another. */
const SIGNALS =
  process.platform === 'win32'
    ? ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK']
    : ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2']
