// Loads the bundled program with the machine code-to-be that V8 made of it the last time: each command keeps its own, one file in
// the user's cache folder. Node's compile cache holds a file as it is before it has run, and what runs would be compiled again at
// every start; here it is kept as it is afterwards, and the program starts in half the time.
//
// What is kept is run as it is, so that it counts for as much as the program itself: nobody else may be able to write it.
'use strict'
const fs = require('node:fs')
const path = require('node:path')
const vm = require('node:vm')

module.exports = { load }

/**
 * Loads a bundle.
 *
 * @param {string} folder - where its files are, and `build-id`, which changes with each of them
 * @param {string} entry - the file to begin with; the others it asks for as `./NAME`
 * @returns what the entry exports
 */
function load(folder, entry) {
  const place = cachePlace()
  if (place === undefined) return require(path.join(folder, entry))
  const build = `${fs.readFileSync(path.join(folder, 'build-id'), 'latin1')} ${process.version} ${process.arch}`
  const kept = read(place, build)
  /** @type {Map<string, { exports: object }>} */
  const modules = new Map()
  /** @type {Map<string, vm.Script>} */
  const scripts = new Map()
  let isNew = kept === undefined

  /** @param {string} name */
  function loadFile(name) {
    const present = modules.get(name)
    if (present !== undefined) return present.exports
    const filename = path.join(folder, name)
    const own = { exports: {} }
    modules.set(name, own)
    // The bundle is ASCII, and this the fastest way to read that.
    const text = fs.readFileSync(filename, 'latin1')
    // V8 looks at the length of a text alone: a file that somebody has mended by hand may have the same.
    const version = `${name} ${fs.statSync(filename).mtimeMs}`
    const script = new vm.Script(
      `(function (exports, require, module, __filename, __dirname) {${text}\n})`,
      {
        filename,
        cachedData: kept?.codes.get(version),
        importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
      },
    )
    if (script.cachedDataRejected !== false) isNew = true
    scripts.set(version, script)
    script.runInThisContext()(own.exports, requireFrom, own, filename, folder)
    return own.exports
  }

  /** @param {string} id */
  function requireFrom(id) {
    return id.startsWith('./') ? loadFile(id.slice(2)) : require(id)
  }

  /** @param {number} [code] */
  function keep(code) {
    // Whoever mistypes a command has run nothing that is worth to be kept.
    if (code === USAGE) return
    const isComplete = code === undefined || code === 0
    if (!isNew && (kept?.isComplete === true || !isComplete)) return
    isNew = false
    write(place, build, isComplete, scripts)
  }
  process.once('exit', keep)
  // What runs for long may be killed in the end, and has done by then what it does at its start.
  setTimeout(keep, STARTED_MS).unref()
  return loadFile(entry)
}

/**
 * Where this command line's code is kept, or `undefined` where it is not.
 *
 * @returns {{ folder: string, file: string } | undefined}
 */
function cachePlace() {
  const { NODE_DISABLE_COMPILE_CACHE, NODE_V8_COVERAGE, XDG_CACHE_HOME, LOCALAPPDATA, HOME } =
    process.env
  if (NODE_DISABLE_COMPILE_CACHE || NODE_V8_COVERAGE) return undefined
  // The environment is then that of somebody who is less than this process.
  if (process.getuid?.() !== process.geteuid?.()) return undefined
  const base =
    process.platform === 'win32'
      ? LOCALAPPDATA
      : XDG_CACHE_HOME || (HOME ? path.join(HOME, '.cache') : undefined)
  if (base === undefined || !path.isAbsolute(base)) return undefined
  const [, , command = ''] = process.argv
  const folder = path.join(base, 'countersign')
  const name = /^[a-z][a-z-]{1,30}$/.test(command) ? command : 'help'
  return { folder, file: path.join(folder, `${name}.code`) }
}

/**
 * What was kept, unless it is another build's, somebody else's or damaged: V8 would not notice, and crash.
 *
 * @param {{ folder: string, file: string }} place
 * @param {string} build
 */
function read({ folder, file }, build) {
  try {
    if (!isOwn(fs.lstatSync(folder))) return undefined
    const bytes = readOwn(file)
    const headerEnd = bytes.indexOf('\n')
    const header = JSON.parse(bytes.latin1Slice(0, headerEnd))
    if (header.build !== build) return undefined
    const body = bytes.subarray(headerEnd + 1)
    if (digest(body) !== header.digest) return undefined
    const codes = new Map()
    let start = 0
    for (const [name, length] of header.files) {
      codes.set(name, body.subarray(start, start + length))
      start += length
    }
    return { codes, isComplete: header.isComplete }
  } catch {
    // It is made again.
    return undefined
  }
}

/** @param {string} file */
function readOwn(file) {
  // Where a system has no such flag it counts as none.
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants
  // Without waiting for whoever writes a named pipe.
  const descriptor = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    const status = fs.fstatSync(descriptor)
    if (!status.isFile() || !isOwn(status)) throw new Error('it may be somebody else’s')
    return fs.readFileSync(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}

/**
 * @param {{ folder: string, file: string }} place
 * @param {string} build
 * @param {boolean} isComplete - whether the command did what it was asked to
 * @param {Map<string, vm.Script>} scripts
 */
function write({ folder, file }, build, isComplete, scripts) {
  const temporary = `${file}.${process.pid}.tmp`
  try {
    if (!makeOwn(path.dirname(folder)) || !makeOwn(folder)) return
    const files = [...scripts].map(([name, script]) => [name, script.createCachedData()])
    const body = Buffer.concat(files.map(([, code]) => code))
    const lengths = files.map(([name, code]) => [name, code.length])
    const header = JSON.stringify({ build, isComplete, digest: digest(body), files: lengths })
    const bytes = Buffer.concat([Buffer.from(`${header}\n`), body])
    // Where something is at that place already it is not followed: it might be a link to any file of this user.
    fs.writeFileSync(temporary, bytes, { mode: 0o600, flag: 'wx' })
    fs.renameSync(temporary, file)
  } catch {
    // The program does not need it. A full disk must not keep half of it.
    try {
      fs.rmSync(temporary, { force: true })
    } catch {}
  }
}

/** Makes a folder beside others of this user's; says whether it is there and this user's. @param {string} folder */
function makeOwn(folder) {
  if (!fs.existsSync(folder)) {
    // Under sudo the home folder may be another user's, who would be surprised by what root puts there.
    if (!isOwn(fs.statSync(path.dirname(folder)))) return false
    fs.mkdirSync(folder, { mode: 0o700 })
  }
  // A link of this user's own leads wherever it likes; another's could lead elsewhere at any moment.
  return isOwn(fs.statSync(folder)) && isOfUser(fs.lstatSync(folder))
}

/** Whether nobody but this user, and root, can write it. @param {fs.Stats} status */
function isOwn(status) {
  return isOfUser(status) && (process.platform === 'win32' || (status.mode & 0o022) === 0)
}

/** @param {fs.Stats} status */
function isOfUser({ uid }) {
  return process.platform === 'win32' || uid === process.geteuid()
}

/** @param {Uint8Array} bytes */
function digest(bytes) {
  return require('node:crypto').hash('sha256', bytes, 'base64')
}

const USAGE = 2
const STARTED_MS = 2000
