/**
 * `countersign bootstrap`: the roots of an authority on another machine, fetched and compared with a fingerprint that somebody
 * has told.
 *
 * @module
 */
import { writeFileAtomic } from '@countersign/core'
import type { Certificate } from '@countersign/x509'
import { type Command, InvalidArgumentError } from 'commander'
import { completeUrl } from '../client-session.ts'
import { addCommand, perform, type SharedFlags } from '../command.ts'
import { EXIT, ProgramError } from '../errors.ts'
import { keepAuthority } from '../own-roots.ts'
import { shellWord } from '../shell.ts'

interface BootstrapFlags extends SharedFlags {
  fingerprint: string
  out?: string
}

/** Adds the command. */
export function addBootstrap(program: Command): void {
  addCommand(
    program,
    'bootstrap <url>',
    'trust the authority of another machine, by the fingerprint of its root',
  )
    .requiredOption(
      '--fingerprint <hex>',
      'SHA-256 of the root: `up`, `init` and `show roots.pem` print it',
      readFingerprint,
    )
    .option('--out <file>', 'write the roots there as well')
    .action(async (url: string, flags: BootstrapFlags) =>
      perform(flags, async ({ output }) => {
        const origin = originOf(url)
        const root = await fetchRoot(origin, flags.fingerprint)
        const roots = await fetchRoots(origin, root)
        const pem = roots.map((one) => one.pem).join('')
        const { fingerprint } = flags
        const file = await keepAuthority({ url: origin.origin, fingerprint, at: new Date() }, pem)
        if (flags.out !== undefined) await writeFileAtomic(flags.out, pem, { mode: 0o644 })
        output.result(
          {
            url: origin.origin,
            fingerprint,
            roots: roots.map((one) => ({
              subject: one.subject.toString(),
              notAfter: one.notAfter,
              fingerprint: one.fingerprint,
            })),
            file,
          },
          [
            `trusting ${root.subject.toString()}, until ${root.notAfter.toISOString().slice(0, 10)}`,
            file,
          ].join('\n'),
        )
        output.note(
          `this program’s commands trust it from now on; every other program after: countersign trust install ${shellWord(file)}`,
        )
      }),
    )
}

/**
 * Over plain HTTP, where nothing is promised: what counts is the fingerprint, which no one on the way can forge.
 *
 * @throws ProgramError `bootstrap-failed`, `fingerprint-differs`; errors of the client
 */
async function fetchRoot(origin: URL, fingerprint: string): Promise<Certificate> {
  const plain = new URL('/roots.pem', origin)
  plain.protocol = 'http:'
  const offered = await fetchBundle(plain, undefined)
  const root = offered.find((one) => one.fingerprint === fingerprint)
  if (root === undefined) {
    const [other] = offered
    throw new ProgramError(
      'fingerprint-differs',
      `${plain.href} offers ${other?.subject.toString()} with SHA-256 ${other?.fingerprint}, not ${fingerprint}`,
      {
        hint: 'ask whoever runs the authority for the fingerprint; nothing was trusted',
        exit: EXIT.trust,
      },
    )
  }
  if (root.isCa) return root
  throw new ProgramError(
    'bootstrap-failed',
    `${root.subject.toString()} is no authority’s certificate`,
    {
      hint: 'give the fingerprint of the root, not that of a server',
    },
  )
}

/**
 * All the roots there are, from the service itself, over a connection that the compared root vouches for.
 *
 * @throws errors of the client, which explain themselves
 */
async function fetchRoots(origin: URL, root: Certificate): Promise<Certificate[]> {
  const roots = await fetchBundle(new URL('/roots.pem', origin), root.pem)
  const lost = roots.every(({ fingerprint }) => fingerprint !== root.fingerprint)
  const impostor = roots.find((one) => !one.isCa)
  if (!lost && impostor === undefined) return roots
  throw new ProgramError(
    'bootstrap-failed',
    lost
      ? `${origin.origin} does not count the root among its own over HTTPS`
      : `${origin.origin} has ${impostor?.subject.toString()} among its roots, which is no authority`,
    { hint: 'ask whoever runs the authority; nothing was trusted' },
  )
}

async function fetchBundle(url: URL, ca: string | undefined): Promise<Certificate[]> {
  const { Session } = await import('@countersign/client')
  const { Certificate: Reader, X509Error } = await import('@countersign/x509')
  await using session = new Session({ ca, redirect: 'manual', maxBodyBytes: MOST_BYTES })
  const response = await session.get(url)
  const wrong = (fault: string, cause?: unknown): ProgramError =>
    new ProgramError('bootstrap-failed', `${url.href} ${fault}`, {
      hint: 'give the address of `countersign up`, or bring roots.pem over and use: countersign trust install roots.pem',
      cause,
    })
  if (response.status !== 200) {
    await response.close()
    throw wrong(`answers ${response.status}`)
  }
  const text = await response.text()
  try {
    return Reader.parseAll(text, url.href)
  } catch (error) {
    if (error instanceof X509Error) throw wrong('holds no certificates', error)
    throw error
  }
}

function originOf(text: string): URL {
  const url = new URL(completeUrl(text))
  if (url.username !== '' || url.password !== '' || url.pathname !== '/' || url.search !== '') {
    // Not quoted: it may hold a password.
    throw new ProgramError('usage', 'an address of more than host and port is none of a service', {
      hint: `countersign bootstrap ${url.origin} --fingerprint HEX`,
    })
  }
  url.protocol = 'https:'
  return url
}

/** As it is written: in upper case, with colons, after `sha256:`. A shorter one is none. */
function readFingerprint(text: string): string {
  const hex = text
    .replace(/^sha-?256[:=]/i, '')
    .replaceAll(':', '')
    .toLowerCase()
  if (/^[0-9a-f]{64}$/.test(hex)) return hex
  throw new InvalidArgumentError('Give all 64 hexadecimal digits of the SHA-256.')
}

const MOST_BYTES = 1024 * 1024
