/**
 * What other programs say of chains, asked on this machine. Every answer is why a chain was refused, `undefined` where it was not.
 *
 * @module
 */
import { writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import path from 'node:path'
import { type BrowserOptions, runCommand, type TestBrowser } from '@countersign/testkit'
import { pemOf, serveChain } from './node-handshake.ts'
import { HOST } from './verify-world.ts'
import type { Certificate, PrivateKey, ReferenceName } from '../src/index.ts'

/** A chain as a server sends it, and whom the client trusts. */
export interface ShownChain {
  what: string
  /** Leaf first. */
  sent: readonly Certificate[]
  /** The leaf's. */
  key: PrivateKey
  roots: readonly Certificate[]
  crls?: readonly string[] | undefined
  /** @defaultValue {@link HOST} */
  name?: ReferenceName
}

/** One answer a chain. */
export type Answers = (string | undefined)[]

/** `openssl verify` at Node's security level. */
export async function askOpenssl(
  openssl: string,
  chains: readonly ShownChain[],
  folder: string,
  flags: readonly string[] = [],
): Promise<Answers> {
  const answers: Answers = []
  for (const { sent, roots, crls, name } of chains) {
    const [leaf, ...intermediates] = sent
    const file = (kind: string, text: string): string => {
      const target = path.join(folder, `${kind}.pem`)
      writeFileSync(target, text)
      return target
    }
    const host = hostOf(name)
    const { code, stdout, stderr } = await runCommand(openssl, [
      'verify',
      '-no-CApath',
      '-no-CAstore',
      '-auth_level=2',
      '-purpose=sslserver',
      ...flags,
      `-CAfile=${file('roots', pemOf(roots))}`,
      ...(intermediates.length === 0 ? [] : ['-untrusted', file('sent', pemOf(intermediates))]),
      ...(crls === undefined ? [] : ['-crl_check_all', '-CRLfile', file('crls', crls.join(''))]),
      ...(isIP(host) === 0 ? ['-verify_hostname', host] : ['-verify_ip', host]),
      file('leaf', leaf?.pem ?? ''),
    ])
    answers.push(code === 0 ? undefined : `${stdout}${stderr}`)
  }
  return answers
}

/** Handshakes within one Python, client and server in memory, the client with its default context. */
export async function askPython(
  python: string,
  chains: readonly ShownChain[],
  folder: string,
): Promise<Answers> {
  const input = chains.map(({ sent, key, roots, crls, name }) => ({
    server: `${key.toPem()}${pemOf(sent)}`,
    trusted: pemOf(roots) + (crls ?? []).join(''),
    crls: crls !== undefined,
    host: hostOf(name),
  }))
  return parseAnswers(
    await run(python, ['-c', PYTHON, path.join(folder, 'server.pem')], JSON.stringify(input)),
  )
}

/** The trust manager and the host name checker of one Java. */
export async function askJava(
  java: string,
  chains: readonly ShownChain[],
  folder: string,
): Promise<Answers> {
  const source = path.join(folder, 'Ask.java')
  writeFileSync(source, JAVA)
  // Java has no reader of JSON: a line a chain, certificates in Base64.
  const input = chains.map(({ sent, roots, name }) =>
    [sent, roots]
      .map((list) => list.map(({ der }) => Buffer.from(der).toString('base64')).join(','))
      .concat(hostOf(name))
      .join(' '),
  )
  const flags = ['--add-exports', 'java.base/sun.security.util=ALL-UNNAMED']
  return parseAnswers(await run(java, [...flags, source], `${input.join('\n')}\n`))
}

/** One curl a chain. */
export async function askCurl(
  curl: string,
  chains: readonly ShownChain[],
  folder: string,
): Promise<Answers> {
  const answers: Answers = []
  for (const { sent, key, roots, name } of chains) {
    await using server = await serveChain(sent, key)
    const host = hostOf(name)
    const file = path.join(folder, 'roots.pem')
    writeFileSync(file, pemOf(roots))
    const trust = ['--cacert', file, '--capath', '/nonexistent']
    const place = ['--noproxy', '*', '--resolve', `${host}:${server.port}:127.0.0.1`]
    const url = `https://${host}:${server.port}/`
    const quiet = ['--disable', '--silent', '--show-error']
    const { code, stderr } = await runCommand(curl, [...quiet, ...trust, ...place, url])
    // 60: the certificate was refused; 35: the handshake failed.
    if (code !== 0 && code !== 60 && code !== 35)
      throw new Error(`curl ended with ${code}: ${stderr}`)
    answers.push(code === 0 ? undefined : stderr.trim())
  }
  return answers
}

/** A page of a Chromium for each chain; it trusts the roots of all of them. */
export async function askChromium(
  { browser }: TestBrowser,
  chains: readonly ShownChain[],
): Promise<Answers> {
  const answers: Answers = []
  for (const { sent, key, name } of chains) {
    await using server = await serveChain(sent, key)
    answers.push(await loadPage(browser, `https://${hostOf(name)}:${server.port}/`))
  }
  return answers
}

/** What that Chromium needs to know before it starts. */
export function browserOptions(chains: readonly ShownChain[]): BrowserOptions {
  const hosts = chains.map(({ name }) => hostOf(name)).filter((host) => isIP(host) === 0)
  return {
    roots: [...new Set(chains.flatMap(({ roots }) => roots.map(({ pem }) => pem)))],
    hosts: Object.fromEntries(hosts.map((host) => [host, '127.0.0.1'])),
  }
}

async function loadPage(browser: TestBrowser['browser'], url: string): Promise<string | undefined> {
  let answer = ''
  // What fails for another reason, as where the machine's network changes meanwhile, says nothing about the chain.
  for (let attempt = 0; attempt < 3; attempt++) {
    // A page of its own: that of an error may still be on its way when the next is asked for.
    const page = await browser.newPage()
    try {
      await page.goto(url)
      return undefined
    } catch (error) {
      answer = String(error)
      if (/net::ERR_(?:CERT|SSL)/.test(answer)) return answer
    } finally {
      await page.close()
    }
  }
  throw new Error(answer)
}

/** Who is asked for, as text. */
export function hostOf(name: ReferenceName | undefined): string {
  if (name === undefined) return HOST
  return 'dns' in name ? name.dns : 'ip' in name ? name.ip : name.email
}

async function run(file: string, args: readonly string[], input: string): Promise<string> {
  const { code, stdout, stderr } = await runCommand(file, args, { input, timeoutMs: 120_000 })
  if (code !== 0) throw new Error(`${path.basename(file)} ended with ${code}: ${stderr}`)
  return stdout
}

/** A line a chain: nothing, or why it was refused. */
function parseAnswers(stdout: string): Answers {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => (line === 'accepted' ? undefined : line))
}

const PYTHON = `
import json, ssl, sys

def handshake(row):
    with open(sys.argv[1], 'w') as file:
        file.write(row['server'])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_ciphers('DEFAULT:@SECLEVEL=0')
    server.load_cert_chain(sys.argv[1])
    client = ssl.create_default_context(cadata=row['trusted'] if not row['crls'] else None,
                                        cafile=None if not row['crls'] else write(row['trusted']))
    if row['crls']:
        client.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    far = server.wrap_bio(to_server, to_client, server_side=True)
    near = client.wrap_bio(to_client, to_server, server_hostname=row['host'])
    for _ in range(10):
        try:
            near.do_handshake()
            return 'accepted'
        except ssl.SSLWantReadError:
            pass
        except ssl.CertificateError as error:
            return 'refused: ' + str(error).replace('\\n', ' ')
        try:
            far.do_handshake()
        except ssl.SSLWantReadError:
            pass
    raise Exception('no end of the handshake')

def write(text):
    name = sys.argv[1] + '.trusted'
    with open(name, 'w') as file:
        file.write(text)
    return name

for row in json.load(sys.stdin):
    print(handshake(row))
`

const JAVA = `
import java.io.*;
import java.security.KeyStore;
import java.security.cert.*;
import java.util.*;
import javax.net.ssl.*;
import sun.security.util.HostnameChecker;

public class Ask {
  public static void main(String[] args) throws Exception {
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      System.out.println(ask(line.split(" ")));
    }
  }

  static String ask(String[] row) throws Exception {
    try {
      X509Certificate[] sent = read(row[0]);
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, null);
      int number = 0;
      for (X509Certificate root : read(row[1])) store.setCertificateEntry("root" + number++, root);
      TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
      factory.init(store);
      ((X509TrustManager) factory.getTrustManagers()[0]).checkServerTrusted(sent, "UNKNOWN");
      HostnameChecker.getInstance(HostnameChecker.TYPE_TLS).match(row[2], sent[0]);
      return "accepted";
    } catch (CertificateException error) {
      return ("refused: " + error).replace('\\n', ' ');
    }
  }

  static X509Certificate[] read(String list) throws CertificateException {
    CertificateFactory factory = CertificateFactory.getInstance("X.509");
    List<X509Certificate> found = new ArrayList<>();
    for (String one : list.split(",")) {
      byte[] der = Base64.getDecoder().decode(one);
      found.add((X509Certificate) factory.generateCertificate(new ByteArrayInputStream(der)));
    }
    return found.toArray(new X509Certificate[0]);
  }
}
`
