/**
 * Where on a machine root certificates usually lie: a list of paths, nothing of it looked at yet.
 *
 * @module
 */
import { homedir } from 'node:os'
import path from 'node:path'
import type { Environment } from './trust-environment.ts'
import type { PlaceKind } from './trust-place.ts'

/** A file or a folder that may hold certificates. */
export interface Spot {
  readonly kind: PlaceKind
  /** What people call it: the variable, the program. */
  readonly name: string
  /** Absolute. */
  readonly path: string
}

/**
 * The usual places in the order of how well they fit: those of one authority first, bundles of many last.
 *
 * @param folder - what relative paths start from, and itself one of the places
 */
export function usualSpots(environment: Environment, folder: string): Spot[] {
  const valueOf = (name: string): string | undefined => {
    const value = environment === false ? undefined : environment[name]
    return value === undefined || value === '' ? undefined : value
  }
  const home = valueOf('HOME') ?? valueOf('USERPROFILE') ?? homedir()
  const share = path.join(home, '.local', 'share')
  const xdg = valueOf('XDG_DATA_HOME')
  const library = path.join(home, 'Library', 'Application Support')
  const spots: Spot[] = []
  const add = (kind: PlaceKind, name: string, ...parts: readonly (string | undefined)[]): void => {
    const known = parts.filter((part) => part !== undefined)
    // A part that is not set is a place that is not there.
    if (known.length < parts.length) return
    spots.push({ kind, name, path: path.resolve(folder, ...known) })
  }
  add('data-folder', 'COUNTERSIGN_DATA', valueOf('COUNTERSIGN_DATA'), 'roots.pem')
  for (const data of [xdg, share]) {
    add('data-folder', 'data folder', data, 'countersign', 'roots.pem')
  }
  add('mkcert', 'mkcert', valueOf('CAROOT'), 'rootCA.pem')
  for (const data of [xdg, share, library, valueOf('LOCALAPPDATA')]) {
    add('mkcert', 'mkcert', data, 'mkcert', 'rootCA.pem')
  }
  for (const file of FOLDER_FILES) add('other', file, folder, file)
  for (const step of [valueOf('STEPPATH'), path.join(home, '.step')]) {
    add('other', 'step', step, 'certs', 'root_ca.crt')
    add('other', 'step', step, 'certs', 'intermediate_ca.crt')
  }
  for (const [data, caddy] of [
    [xdg, 'caddy'],
    [share, 'caddy'],
    [library, 'Caddy'],
    [valueOf('APPDATA'), 'Caddy'],
    ['/var/lib/caddy/.local/share', 'caddy'],
  ]) {
    add('other', 'Caddy', data, caddy, 'pki', 'authorities', 'local', 'root.crt')
    add('other', 'Caddy', data, caddy, 'pki', 'authorities', 'local', 'intermediate.crt')
  }
  add('other', 'minikube', home, '.minikube', 'ca.crt')
  add('other', 'Kubernetes', '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt')
  for (const name of BUNDLE_VARIABLES) add('environment', name, valueOf(name))
  for (const name of FOLDER_VARIABLES) {
    for (const one of valueOf(name)?.split(path.delimiter) ?? []) {
      if (one !== '') add('environment', name, one)
    }
  }
  // Put there, and not yet taken over by update-ca-certificates or update-ca-trust.
  for (const added of ADDED_ROOTS) add('other', added, added)
  return spots
}

/** What `issue --out` and `serve` call them. */
const FOLDER_FILES = ['roots.pem', 'ca.crt']

/** Each names one bundle for one family of programs; some take a folder as well. */
const BUNDLE_VARIABLES = [
  'COUNTERSIGN_CA',
  'SSL_CERT_FILE',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'NODE_EXTRA_CA_CERTS',
  'GIT_SSL_CAINFO',
  'GIT_SSL_CAPATH',
  'PIP_CERT',
  'AWS_CA_BUNDLE',
  'NIX_SSL_CERT_FILE',
  'HTTPLIB2_CA_CERTS',
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH',
  'CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE',
  'CARGO_HTTP_CAINFO',
  'DENO_CERT',
  'npm_config_cafile',
  'NPM_CONFIG_CAFILE',
  'COMPOSER_CAFILE',
  'BUNDLE_SSL_CA_CERT',
  'PGSSLROOTCERT',
  'VAULT_CACERT',
  'VAULT_CAPATH',
  'CONSUL_CACERT',
  'NOMAD_CACERT',
]

/** Lists of folders, separated as in `PATH`. */
const FOLDER_VARIABLES = ['SSL_CERT_DIR']

const ADDED_ROOTS = ['/usr/local/share/ca-certificates', '/etc/pki/ca-trust/source/anchors']
