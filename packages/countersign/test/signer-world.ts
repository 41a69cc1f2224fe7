/** An authority whose issuer's key is with a signer, and that signer: two folders, mutual TLS between them. */
import assert from 'node:assert/strict'
import { mkdirSync, renameSync, readFileSync, writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import { once } from 'node:events'
import path from 'node:path'
import type { TestContext } from 'node:test'
import {
  type Authority,
  initAuthority,
  openAuthority,
  type RemoteSigner,
} from '@countersign/authority'
import { openStore, type Store } from '@countersign/store'
import { temporaryFolder } from '@countersign/testkit'
import { type KeyType, PrivateKey } from '@countersign/x509'
import { dataFolder } from '../src/data-folder.ts'
import { connectSigner } from '../src/signer/remote-signer.ts'
import { startSigner } from '../src/signer/signer-service.ts'
import { SigningKeys } from '../src/signer/signing-keys.ts'

/** Who asks, or answers. */
export interface Identity {
  readonly cert: string
  readonly key: string
  readonly fingerprint: string
}

/** See the module. */
export interface World {
  /** The authority's folder, without the issuer's key, and the signer's. */
  readonly data: string
  readonly store: Store
  readonly signer: string
  readonly client: Identity
  identity(name: string): Promise<Identity>
  open(remoteSigner?: RemoteSigner, clock?: () => Date): Promise<Authority>
  settings(url: string): Parameters<typeof connectSigner>[0]
  connect(url: string, by?: Identity): ReturnType<typeof connectSigner>
  start(limits?: Partial<Parameters<typeof startSigner>[0]>): ReturnType<typeof startSigner>
  /** Opens the signer's keys anew, as a restart does. */
  keys(): SigningKeys
  /** A server in the signer's place, with its certificate. */
  fake(t: TestContext, listener: RequestListener): Promise<string>
}

/** An authority whose issuer's key has gone to the signer, after both sides got certificates for each other. */
export async function makeWorld(t: TestContext, keyType: KeyType = 'p256'): Promise<World> {
  const data = path.join(temporaryFolder(t), 'data')
  const signer = temporaryFolder(t)
  const tls = temporaryFolder(t)
  mkdirSync(data, { mode: 0o700 })
  const store: Store = await openStore(`sqlite:${path.join(data, 'countersign.db')}`)
  t.after(async () => store.close())
  const local = await initAuthority({ store, folder: data, keyType })
  const certify = async (name: string, isClient: boolean): Promise<Identity> => {
    const key = PrivateKey.generateSync('p256')
    const { chain } = await local.issue({
      names: [name],
      publicKey: key.publicKey,
      profile: isClient ? 'client' : 'server',
      requester: 'test',
    })
    const [cert, keyFile] = [path.join(tls, `${name}.crt`), path.join(tls, `${name}.key`)]
    writeFileSync(cert, chain.map(({ pem }) => pem).join(''))
    writeFileSync(keyFile, key.toPem(), { mode: 0o600 })
    return { cert, key: keyFile, fingerprint: chain[0].fingerprint }
  }
  const client = await certify('authority', true)
  const stranger = await certify('stranger', true)
  const own = await certify('127.0.0.1', false)
  const roots = path.join(data, 'roots.pem')
  writeFileSync(path.join(signer, 'issuers.pem'), local.issuer.pem)
  for (const name of ['issuer.key', 'passphrase']) {
    renameSync(path.join(data, name), path.join(signer, name))
  }
  const openKeys = (): SigningKeys =>
    SigningKeys.open(dataFolder(signer), path.join(signer, 'issuers.pem'))
  return {
    data,
    store,
    signer,
    client,
    identity: async () => stranger,
    open: async (remoteSigner, clock) =>
      openAuthority({ store, folder: data, remoteSigner, clock }),
    settings: (url) => ({ url, ca: roots, cert: client.cert, key: client.key }),
    connect: (url, by = client) => connectSigner({ url, ca: roots, cert: by.cert, key: by.key }),
    keys: openKeys,
    start: async (limits = {}) =>
      startSigner({
        data: dataFolder(signer),
        keys: openKeys(),
        host: '127.0.0.1',
        port: 0,
        cert: own.cert,
        key: own.key,
        ca: roots,
        maxDays: 90,
        rate: 50,
        allow: new Set([client.fingerprint]),
        ...limits,
      }),
    fake: async (context, listener) => {
      const [cert, key, ca] = [own.cert, own.key, roots].map((file) => readFileSync(file))
      const server = createServer({ cert, key, ca, requestCert: true }, listener)
      context.after(() => {
        server.closeAllConnections()
        server.close()
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const address = server.address()
      assert.ok(address !== null && typeof address === 'object')
      return `https://127.0.0.1:${address.port}`
    },
  }
}

/** Asks an authority for a certificate. */
export async function issue(
  authority: Authority,
  name: string,
  days?: number,
): ReturnType<Authority['issue']> {
  const { publicKey } = PrivateKey.generateSync('p256')
  return await authority.issue({
    names: [name],
    publicKey,
    profile: 'server',
    days,
    requester: 'test',
  })
}
