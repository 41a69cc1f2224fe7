/**
 * A machine for the documents' Python programs, so that these run as they are printed: `internalsite` and `localhost:5001`
 * lead to our servers, the system's bundle is ours, and what aiohttp and asyncio of 2016 took is taken.
 *
 * The program's text is not touched; this stands in a `sitecustomize.py` that Python reads before it.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type CommandResult, runCommand } from '@countersign/testkit'

/** What the machine is like. */
export interface PythonMachine {
  python: string
  /** Where programs run; `pubkey.pem` and the like stand here. */
  folder: string
  /** `internalsite:443` → the port on 127.0.0.1 where it is. */
  addresses: Readonly<Record<string, number>>
  /** What stands at /etc/ssl/certs/ca-certificates.crt. @defaultValue the machine's own */
  bundle?: string
  env?: Record<string, string>
}

/** Runs a program to its end. */
export async function runPython(machine: PythonMachine, program: string): Promise<CommandResult> {
  const site = path.join(machine.folder, 'site')
  mkdirSync(site, { recursive: true })
  writeFileSync(path.join(site, 'sitecustomize.py'), SITE)
  const file = path.join(machine.folder, 'program.py')
  writeFileSync(file, program)
  return runCommand(machine.python, [file], {
    cwd: machine.folder,
    env: {
      PYTHONPATH: site,
      PYTHONWARNINGS: 'ignore::DeprecationWarning',
      TEST_ADDRESSES: Object.entries(machine.addresses)
        .map(([name, port]) => `${name}=${port}`)
        .join(' '),
      ...(machine.bundle === undefined ? {} : { TEST_BUNDLE: machine.bundle }),
      ...machine.env,
    },
  })
}

const SITE = `
import os, socket, ssl

addresses = dict(entry.split('=') for entry in os.environ['TEST_ADDRESSES'].split())
real_getaddrinfo = socket.getaddrinfo

def getaddrinfo(host, port, *args, **named):
    name = host.decode() if isinstance(host, bytes) else host
    found = addresses.get(f'{name}:{port}')
    if found is None:
        return real_getaddrinfo(host, port, *args, **named)
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, '', ('127.0.0.1', int(found)))]

socket.getaddrinfo = getaddrinfo

bundle = os.environ.get('TEST_BUNDLE')
place = '/etc/ssl/certs/ca-certificates.crt'
if bundle:
    real_load = ssl.SSLContext.load_verify_locations
    real_exists = os.path.exists

    def load(self, cafile=None, capath=None, cadata=None):
        return real_load(self, bundle if cafile == place else cafile, capath, cadata)

    ssl.SSLContext.load_verify_locations = load
    os.path.exists = lambda path: path == place or real_exists(path)

try:
    import asyncio, aiohttp
except ImportError:
    pass
else:
    real_wait = asyncio.wait

    async def wait(futures, **named):
        return await real_wait([asyncio.ensure_future(future) for future in futures], **named)

    asyncio.wait = wait
    aiohttp.ClientSession.__enter__ = lambda self: self
    aiohttp.ClientSession.__exit__ = (
        lambda self, *error: asyncio.get_event_loop().run_until_complete(self.close()))
`
