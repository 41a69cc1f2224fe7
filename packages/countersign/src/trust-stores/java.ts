/**
 * Java's `cacerts`, by `keytool`.
 *
 * @module
 */
import { existsSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { Certificate } from '@countersign/x509'
import { ProgramError } from '../errors.ts'
import { withFile } from './nss.ts'
import { findTool, lastWords, runTool, type ToolResult } from './run-tool.ts'
import { type ConnectResult, type Machine, nickname, type Store } from './store.ts'

/** The store of `$JAVA_HOME`, else of the `java` in PATH. */
export function javaStores(machine: Machine): Store[] {
  const home = javaHome(machine)
  if (home === undefined) return []
  const found = [path.join('lib', 'security'), path.join('jre', 'lib', 'security')]
    .map((folder) => path.join(home, folder, 'cacerts'))
    .find((file) => existsSync(file))
  return found === undefined ? [] : [javaStore(home, realpathSync(found), machine)]
}

function javaHome({ env, root }: Machine): string | undefined {
  const named = env['JAVA_HOME']
  if (named !== undefined && named !== '') return named
  // Another root is not this machine's Java.
  const java = root === path.parse(root).root ? findTool('java', env) : undefined
  return java === undefined ? undefined : path.dirname(path.dirname(realpathSync(java)))
}

function javaStore(home: string, file: string, machine: Machine): Store {
  const own = path.join(home, 'bin', process.platform === 'win32' ? 'keytool.exe' : 'keytool')
  const tool = existsSync(own) ? own : findTool('keytool', machine.env)
  const keytool = async (...args: string[]): Promise<ToolResult> =>
    runTool(tool ?? '', [...args, '-keystore', file, '-storepass', PASSWORD], machine.env)
  const held = async (root: Certificate): Promise<string | undefined> => {
    const listed = await keytool('-exportcert', '-rfc', '-alias', nickname(root))
    return listed.ok ? Certificate.parse(listed.output).fingerprint : undefined
  }
  return {
    name: 'java',
    place: file,
    unusable:
      tool === undefined
        ? { fault: 'keytool is not installed', hint: 'it comes with a JDK or JRE' }
        : undefined,
    holds: async (root) => (await held(root)) === root.fingerprint,
    async add(root) {
      await withFile(root, async (pem) => {
        const args = ['-importcert', '-noprompt', '-trustcacerts', '-alias', nickname(root)]
        const added = await keytool(...args, '-file', pem)
        if (!added.ok) throw refusal('add to', file, added)
      })
    },
    async remove(root) {
      if ((await held(root)) !== root.fingerprint) return false
      const removed = await keytool('-delete', '-alias', nickname(root))
      if (!removed.ok) throw refusal('remove from', file, removed)
      return true
    },
    connect: async (url) => connectWith(home, file, url, machine),
  }
}

function refusal(verb: string, file: string, result: ToolResult): ProgramError {
  return new ProgramError(
    'store-refused',
    `keytool would not ${verb} ${file}: ${lastWords(result)}`,
    {
      hint: 'the store belongs to the system: run it with sudo, or name another JAVA_HOME',
    },
  )
}

/** A program of ten lines that `java` runs from its source: a JDK, 11 or later. */
async function connectWith(
  home: string,
  file: string,
  url: URL,
  machine: Machine,
): Promise<ConnectResult | undefined> {
  const java = path.join(home, 'bin', process.platform === 'win32' ? 'java.exe' : 'java')
  if (!existsSync(path.join(home, 'bin', 'javac')) || !existsSync(java)) return undefined
  const { mkdtempSync, rmSync, writeFileSync } = await import('node:fs')
  const { tmpdir } = await import('node:os')
  const folder = mkdtempSync(path.join(tmpdir(), 'countersign-java-'))
  try {
    const source = path.join(folder, 'Connect.java')
    writeFileSync(source, CONNECT)
    const trust = [
      `-Djavax.net.ssl.trustStore=${file}`,
      `-Djavax.net.ssl.trustStorePassword=${PASSWORD}`,
    ]
    const result = await runTool(java, [...trust, source, url.href], machine.env)
    return { ok: result.ok, by: 'java', message: result.ok ? undefined : firstWords(result) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Java begins with what was thrown. */
function firstWords({ output }: ToolResult): string {
  const line = output.split('\n').find((one) => /Exception/.test(one)) ?? output
  return line.trim().slice(0, 300)
}

/** What every JDK's store is protected with; it holds nothing secret. */
const PASSWORD = 'changeit'

const CONNECT = `
import java.net.*;
import javax.net.ssl.*;
class Connect {
  public static void main(String[] args) throws Exception {
    HttpsURLConnection connection = (HttpsURLConnection) new URL(args[0]).openConnection();
    connection.setConnectTimeout(15000);
    connection.setReadTimeout(15000);
    connection.connect();
    connection.disconnect();
  }
}
`
