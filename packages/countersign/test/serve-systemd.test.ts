import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { get } from '@countersign/client'
import {
  outsidePython,
  outsideTool,
  runCommand,
  runProgram,
  scrubProcess,
  skipWithout,
  skipWithoutPython,
  startCommand,
  startProgram,
  temporaryFolder,
} from '@countersign/testkit'
import { type Activated, startActivated } from './activated.ts'
import { type IdentityFiles, initAuthority, issue } from './identity-files.ts'

scrubProcess()

const folder = temporaryFolder(after)
const site = path.join(folder, 'site')
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
let server: IdentityFiles
let data: string

before(async () => {
  mkdirSync(site)
  writeFileSync(path.join(site, 'index.html'), 'a page\n')
  data = await initAuthority(folder)
  server = await issue(data, folder, 'localhost')
})

async function activate(args: string[], forPid?: string): Promise<Activated> {
  const source = [process.execPath, '--conditions=@countersign/source', MAIN]
  return await startActivated([...source, ...args], { cwd: folder, forPid })
}

async function page(port: number, file = ''): Promise<string> {
  const response = await get(`https://localhost:${port}/${file}`, {
    ca: server.roots,
    connectTimeoutMs: 0,
    timeoutMs: 120_000,
  })
  assert.equal(response.status, 200)
  return await response.text()
}

function serveArguments(...more: string[]): string[] {
  return ['serve', site, '--https', '--cert', server.certificate, '--key', server.key, ...more]
}

describe('socket activation', { skip: process.platform === 'win32' }, () => {
  for (const [name, more] of [
    ['one process', []],
    ['two workers', ['--workers', '2']],
  ] as const) {
    it(`serve answers on the socket it was started with: ${name}`, async () => {
      await using activated = await activate(serveArguments(...more))
      // It listens from the first moment: whoever connects waits until it serves.
      assert.equal(await page(activated.port), 'a page\n')
      assert.equal(await page(activated.port), 'a page\n')
      assert.equal(await activated.stop(), 0)
      assert.match(activated.stdout(), new RegExp(`listening on \\S+:${activated.port} `))
    })
  }

  it('up answers on the socket it was started with', async () => {
    await using activated = await activate(['up', '--data', path.join(folder, 'service')])
    const roots = path.join(folder, 'service', 'roots.pem')
    const opened = once(activated.child.stdout ?? activated.child, 'data')
    await opened
    const response = await get(`https://localhost:${activated.port}/healthz`, {
      ca: roots,
      connectTimeoutMs: 0,
      timeoutMs: 120_000,
    })
    assert.equal(response.status, 200)
    assert.equal(await activated.stop(), 0)
  })

  it('a socket that was meant for another process is left alone', async () => {
    await using activated = await activate(serveArguments('--listen', '127.0.0.1:0'), '1')
    await once(activated.child.stdout ?? activated.child, 'data')
    const [, port = ''] = /listening on \S+:(\d+) /.exec(activated.stdout()) ?? []
    assert.notEqual(Number(port), activated.port)
    assert.equal(await page(Number(port)), 'a page\n')
    assert.equal(await activated.stop(), 0)
  })
})

/** Prints every datagram that comes in, a line each, and says first where it listens. */
const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('listening', flush=True)
while True:
    data, ancillary, _, _ = s.recvmsg(4096, 4096)
    for line in data.decode().split('\\n'):
        if line: print(line, flush=True)
    # BARRIER=1 waits until its descriptor is closed.
    import array, os
    for level, kind, value in ancillary:
        if kind == socket.SCM_RIGHTS:
            fds = array.array('i'); fds.frombytes(value[:len(value) - len(value) % 4])
            for fd in fds: os.close(fd)
`

describe('telling systemd', { skip: skipWithoutPython() || skipWithout('systemd-notify') }, () => {
  it('when it is ready, when it reloads, when it stops, and that it lives', async () => {
    assert.notEqual(outsideTool('systemd-notify'), undefined)
    const socket = path.join(folder, 'notify')
    const python = outsidePython() ?? ''
    await using receiver = startCommand(python, ['-c', RECEIVER, socket])
    await receiver.waitForOutput(/listening/)
    await using command = startProgram(serveArguments('--listen', '127.0.0.1:0'), {
      cwd: folder,
      env: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '200000' },
    })
    await receiver.waitForOutput(/READY=1\nSTATUS=listening on /)
    await receiver.waitForOutput(/(?:WATCHDOG=1[\s\S]*){3}/)
    command.child.kill('SIGHUP')
    await receiver.waitForOutput(
      /RELOADING=1\nMONOTONIC_USEC=\d+\n[\s\S]*READY=1\nSTATUS=the files say/,
    )
    assert.equal(await command.stop(), 0)
    await receiver.waitForOutput(/STOPPING=1/)
  })
})

describe('telling systemd without systemd-notify', () => {
  it('says that it cannot, and serves', async () => {
    await using command = startProgram(serveArguments('--listen', '127.0.0.1:0'), {
      cwd: folder,
      env: { NOTIFY_SOCKET: path.join(folder, 'nobody'), PATH: folder },
    })
    await command.waitForOutput(/systemd could not be told \(READY=1\): there is no systemd-notify/)
    assert.equal(await command.stop(), 0)
  })
})

const UNITS = fileURLToPath(new URL('../share/systemd/', import.meta.url))

describe('the unit files', { skip: skipWithout('systemd-analyze') }, () => {
  it('are found right by systemd-analyze', async () => {
    const names = readdirSync(UNITS)
    assert.equal(names.length, 4)
    const copies = path.join(folder, 'units')
    mkdirSync(copies)
    for (const name of names) copyFileSync(path.join(UNITS, name), path.join(copies, name))
    const { code, stderr } = await runCommand('systemd-analyze', [
      'verify',
      '--man=no',
      ...names.map((name) => path.join(copies, name)),
    ])
    // What it says of the machine it runs on is not about these files.
    assert.doesNotMatch(stderr, /countersign[\w-]*\.(?:service|socket):/)
    assert.equal(code, 0, stderr)
  })
})

describe('the passphrase as a credential', () => {
  it('opens the authority', async () => {
    const credentials = path.join(folder, 'credentials')
    mkdirSync(credentials)
    writeFileSync(path.join(credentials, 'passphrase'), 'of the machine\n')
    const own = path.join(folder, 'own')
    const env = { CREDENTIALS_DIRECTORY: credentials }
    const made = await runProgram(['init', '--data', own], { env })
    assert.equal(made.code, 0, made.stderr)
    assert.equal(existsSync(path.join(own, 'passphrase')), false)
    const issued = await runProgram(['issue', 'localhost', '--data', own, '--out', own], { env })
    assert.equal(issued.code, 0, issued.stderr)
    const without = await runProgram(['issue', 'localhost', '--data', own, '--out', own])
    assert.notEqual(without.code, 0)
  })
})
