/**
 * One proxy of the measurement in a process of its own, or the application behind all of them: `node bench/proxy-subject.ts NAME`.
 *
 * nginx and caddy are children of this process, and their CPU time is read from the system.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, createServer, request } from 'node:http'
import { createServer as createSecureServer, type Server } from 'node:https'
import { connect, createServer as createTcp } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { proxyTo, serve } from '@countersign/server'
import { usageOf } from './bounds.ts'
import { makeIdentity } from './identity.ts'
import { portOf, reportTo } from './servers.ts'

const identity = makeIdentity()
const [, , name = ''] = process.argv
const upstreamPort = process.env['UPSTREAM_PORT'] ?? '0'
const upstream = `http://127.0.0.1:${upstreamPort}`
const BODY = JSON.stringify({ hello: 'world' })

/** Where a proxy listens, and its process where it is not this one. */
interface Started {
  port: number
  child?: ChildProcess | undefined
}

const subjects = new Map<string, () => Promise<Started>>([
  ['application', startApplication],
  [
    'countersign',
    async () => {
      const { cert, key } = identity
      return serve(proxyTo(upstream), { https: true, cert, key })
    },
  ],
  ['node:https and node:http', startBare],
  ['nginx', startNginx],
  ['caddy', startCaddy],
])

const start = subjects.get(name)
if (start === undefined) throw new Error(`no such subject: ${name}`)
const { port, child } = await start()
if (child === undefined) {
  reportTo(process, { port, ca: identity.ca })
} else {
  process.on('exit', () => child.kill('SIGTERM'))
  process.on('SIGTERM', () => process.exit(0))
  process.on('message', () => process.send?.(microsecondsOf(child.pid ?? 0)))
  process.send?.({ port, ca: identity.ca })
}

async function startApplication(): Promise<Started> {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(BODY) }
  const server = createServer((_incoming, outgoing) => {
    outgoing.writeHead(200, headers).end(BODY)
  })
  server.keepAliveTimeout = 600_000
  return listening(server)
}

/** The least that Node can do: no check, no header of its own, no limit. */
async function startBare(): Promise<Started> {
  const agent = new Agent({ keepAlive: true, scheduling: 'lifo' })
  const server = createSecureServer(identity, (incoming, outgoing) => {
    const { method, url: target, rawHeaders } = incoming
    const passed = request({
      agent,
      host: '127.0.0.1',
      port: upstreamPort,
      method,
      path: target,
      headers: rawHeaders,
    })
    passed.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      answer.pipe(outgoing)
    })
    passed.end()
  })
  return listening(server)
}

async function listening(
  server: Server | ReturnType<typeof createServer>,
): Promise<{ port: number }> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: portOf(server) }
}

async function startNginx(): Promise<Started> {
  return startOutside('nginx', (folder, own) => {
    const file = path.join(folder, 'nginx.conf')
    writeFileSync(
      file,
      `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f;
  uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  upstream application { server 127.0.0.1:${upstreamPort}; keepalive 64; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${own} ssl; ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;
    ssl_protocols TLSv1.3;
    location / {
      proxy_pass http://application; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto https; proxy_set_header X-Forwarded-Host $http_host;
    }
  }
}
`,
    )
    return ['-p', folder, '-c', file, '-e', path.join(folder, 'error.log')]
  })
}

async function startCaddy(): Promise<Started> {
  return startOutside('caddy', (folder, own) => {
    const file = path.join(folder, 'Caddyfile')
    writeFileSync(
      file,
      `{
  admin off
  auto_https off
}
https://localhost:${own} {
  bind 127.0.0.1
  tls ${folder}/cert.pem ${folder}/key.pem
  reverse_proxy 127.0.0.1:${upstreamPort}
}
`,
    )
    return ['run', '--config', file, '--adapter', 'caddyfile']
  })
}

/** Starts a program that wants to be told its port: one that was free a moment ago, and another where it is not any more. */
async function startOutside(
  program: string,
  configure: (folder: string, port: number) => string[],
): Promise<Started> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bench-proxy-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(path.join(folder, 'cert.pem'), identity.cert)
  writeFileSync(path.join(folder, 'key.pem'), identity.key)
  for (let attempt = 0; attempt < 5; attempt++) {
    const own = await freePort()
    const running = spawn(program, configure(folder, own), {
      stdio: 'ignore',
      env: { PATH: process.env['PATH'], HOME: folder, XDG_DATA_HOME: folder },
    })
    for (let wait = 0; wait < 100 && running.exitCode === null; wait++) {
      if (await answers(own)) return { port: own, child: running }
      await delay(50)
    }
    running.kill()
  }
  throw new Error(`${program} does not start`)
}

async function freePort(): Promise<number> {
  const server = createTcp().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const free = portOf(server)
  server.close()
  await once(server, 'close')
  return free
}

async function answers(own: number): Promise<boolean> {
  const socket = connect(own, '127.0.0.1')
  const opened = await Promise.race([
    once(socket, 'connect').then(() => true),
    once(socket, 'close').then(() => false),
  ]).catch(() => false)
  socket.destroy()
  return opened
}

/** CPU time of a process and its children, in microseconds. */
function microsecondsOf(pid: number): NodeJS.CpuUsage {
  let user = 0
  let system = 0
  for (const used of usageOf(pid).values()) {
    user += used.user * 1e6
    system += used.system * 1e6
  }
  return { user, system }
}
