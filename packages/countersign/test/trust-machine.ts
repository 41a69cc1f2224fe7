/**
 * A machine to put roots into: a home, a Debian below a folder, a Java, databases of NSS. Nothing of it is this machine's own.
 */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { outsideTool, runCommand, type TestAuthority } from '@countersign/testkit'
import { Certificate } from '@countersign/x509'
import { javaTrustStore } from '../src/java-trust-store.ts'

/** An empty NSS database in a folder. */
export async function makeNssDatabase(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true })
  const certutil = outsideTool('certutil') ?? ''
  const made = await runCommand(certutil, ['-N', '-d', `sql:${folder}`, '--empty-password'])
  if (made.code !== 0) throw new Error(made.stderr)
  return folder
}

/** What `certutil -L` prints of a database. */
export async function nssList(folder: string): Promise<string> {
  const { stdout } = await runCommand(outsideTool('certutil') ?? '', ['-L', '-d', `sql:${folder}`])
  return stdout
}

/** A folder that looks like the root of a Debian with nothing in its store. */
export function makeDebianRoot(folder: string): string {
  const folders = ['usr/local/share/ca-certificates', 'usr/share/ca-certificates', 'etc/ssl/certs']
  for (const one of [...folders, 'etc/ca-certificates/update.d', 'tmp']) {
    mkdirSync(path.join(folder, one), { recursive: true })
  }
  // An empty one is refused.
  writeFileSync(path.join(folder, 'etc/ca-certificates.conf'), '# none\n')
  return folder
}

/** A JAVA_HOME with a store that holds one other root, and the machine's own programs. */
export function makeJavaHome(folder: string, other: TestAuthority): string {
  mkdirSync(path.join(folder, 'lib', 'security'), { recursive: true })
  mkdirSync(path.join(folder, 'bin'), { recursive: true })
  const roots = Certificate.parseAll(other.rootPem, 'other')
  const store = javaTrustStore(roots, new Date(0))
  writeFileSync(path.join(folder, 'lib', 'security', 'cacerts'), store)
  for (const name of ['java', 'javac', 'keytool']) {
    const tool = outsideTool(name)
    if (tool !== undefined) symlinkSync(tool, path.join(folder, 'bin', name))
  }
  return folder
}
