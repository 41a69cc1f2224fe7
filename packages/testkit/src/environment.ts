/**
 * An environment in which nothing decides about trust, proxies or our own settings but the test.
 *
 * @module
 */
import { getCACertificates, setDefaultCACertificates } from 'node:tls'

/** What is laid over a scrubbed environment: a value sets, `undefined` removes. */
export type EnvironmentChanges = Readonly<Record<string, string | undefined>>

/**
 * The environment of this process without everything that would decide about a test: CA bundles of every
 * program, proxies, Node's switches, colours, PostgreSQL's defaults, and our own settings.
 *
 * @param changes - laid over the result: a value sets a variable, `undefined` removes it
 * @returns a new object for `spawn`; this process keeps what it has
 */
export function scrubEnvironment(changes: EnvironmentChanges = {}): Record<string, string> {
  const clean: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !isScrubbed(name)) clean[name] = value
  }
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) delete clean[name]
    else clean[name] = value
  }
  return clean
}

/**
 * Scrubs the running process; called once at the top of a test file.
 *
 * Node reads `NODE_EXTRA_CA_CERTS` when it starts, so removing the variable would change nothing: the
 * default certificates are set back to the bundled ones as well.
 */
export function scrubProcess(): void {
  const hadExtra = (process.env['NODE_EXTRA_CA_CERTS'] ?? '') !== ''
  for (const name of Object.keys(process.env)) {
    // How this very process reports its tests; without it a failure would only be printed, not counted.
    if (name === 'NODE_TEST_CONTEXT') continue
    if (isScrubbed(name)) delete process.env[name]
  }
  if (hadExtra) setDefaultCACertificates(getCACertificates('bundled'))
}

function isScrubbed(name: string): boolean {
  const upper = name.toUpperCase()
  return SCRUBBED.has(upper) || SCRUBBED_PREFIXES.some((prefix) => upper.startsWith(prefix))
}

/** Upper case; proxies and npm's settings exist in both cases. */
const SCRUBBED: ReadonlySet<string> = new Set([
  // certificates: OpenSSL, Node, Python, curl, and the tools that carry a variable of their own
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'OPENSSL_CONF',
  'SSLKEYLOGFILE',
  'NODE_EXTRA_CA_CERTS',
  'NODE_TLS_REJECT_UNAUTHORIZED',
  'NODE_USE_SYSTEM_CA',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'CURL_HOME',
  'PIP_CERT',
  'AWS_CA_BUNDLE',
  'GIT_SSL_CAINFO',
  'NIX_SSL_CERT_FILE',
  'HTTPLIB2_CA_CERTS',
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH',
  'CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE',
  'CARGO_HTTP_CAINFO',
  'DENO_CERT',
  'DENO_TLS_CA_STORE',
  'JAVA_TOOL_OPTIONS',
  'NPM_CONFIG_CA',
  'NPM_CONFIG_CAFILE',
  // proxies
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'FTP_PROXY',
  'NO_PROXY',
  'NODE_USE_ENV_PROXY',
  'NPM_CONFIG_PROXY',
  'NPM_CONFIG_HTTP_PROXY',
  'NPM_CONFIG_HTTPS_PROXY',
  'NPM_CONFIG_NOPROXY',
  // how Node runs; a test runner's own channel must not reach a child
  'NODE_OPTIONS',
  'NODE_DEBUG',
  'NODE_TEST_CONTEXT',
  // whether a terminal gets colours; Node gives none where a CI variable stands
  'CI',
  'CI_NAME',
  'TEAMCITY_VERSION',
  'TF_BUILD',
  'FORCE_COLOR',
  'NO_COLOR',
  'NODE_DISABLE_COLORS',
  'COLORTERM',
  'TERM_PROGRAM',
  'TMUX',
  // where a program keeps its data
  'XDG_DATA_HOME',
  'XDG_CONFIG_HOME',
  'XDG_STATE_HOME',
  'XDG_CACHE_HOME',
  // what `countersign serve` reads
  'HTTPS_ENABLED',
  'VERIFY_USER',
  // what pg reads
  'PGHOST',
  'PGHOSTADDR',
  'PGPORT',
  'PGUSER',
  'PGPASSWORD',
  'PGPASSFILE',
  'PGDATABASE',
  'PGDATA',
  'PGOPTIONS',
  'PGSERVICE',
  'PGSSLMODE',
  'PGSSLROOTCERT',
])

const SCRUBBED_PREFIXES: readonly string[] = ['COUNTERSIGN_', 'API_']
