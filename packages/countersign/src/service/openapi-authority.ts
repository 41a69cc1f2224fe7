/**
 * The routes of the authority.
 *
 * @module
 */
import {
  list,
  type Operation,
  pathParameter,
  queryParameter,
  record,
  text,
  time,
} from './openapi-parts.ts'

const OCSP_TYPE = 'application/ocsp-response'

/** By path, then method. */
export const AUTHORITY_PATHS: Record<string, Record<string, Operation>> = {
  '/roots.pem': { get: { summary: 'What clients trust', answer: [200, 'application/x-pem-file'] } },
  '/intermediates.pem': {
    get: { summary: 'What servers send after their leaf', answer: [200, 'application/x-pem-file'] },
  },
  '/crl/{file}': {
    get: {
      summary: 'A revocation list',
      answer: [200, 'application/pkix-crl'],
      parameters: [pathParameter('file')],
    },
  },
  '/ocsp': {
    get: {
      summary: 'OCSP (RFC 6960); the request in base64 stands behind a further slash',
      answer: [200, OCSP_TYPE],
    },
    post: { summary: 'OCSP (RFC 6960)', answer: [200, OCSP_TYPE] },
  },
  '/ca/certificates': {
    get: {
      summary: 'The ledger',
      signedIn: true,
      token: true,
      answer: [200, 'Certificates'],
      parameters: [
        queryParameter('limit', 'entries of a page, 1 to 999'),
        queryParameter('after', 'next of the page before'),
        queryParameter('q', 'part of a name or of the requester; a serial or fingerprint'),
        queryParameter('expiring', 'only what ends within this time, as in 14d'),
        queryParameter('issuer', 'only what this issuer signed'),
      ],
    },
    post: {
      summary: 'Sign a certificate request',
      signedIn: true,
      token: true,
      body: 'Request',
      answer: [201, 'IssuedCertificate'],
    },
  },
  '/ca/certificates/renew': {
    post: {
      summary: 'Renew the certificate of the connection, or one whose key has signed the request',
      body: 'Renewal',
      answer: [201, 'IssuedCertificate'],
    },
  },
  '/ca/enroll': {
    post: {
      summary: 'Sign a certificate request for the bearer of an enrolment token',
      body: 'Request',
      answer: [201, 'IssuedCertificate'],
    },
  },
  '/ca/certificates/{serial}/revoke': {
    post: {
      summary: 'Revoke a certificate',
      signedIn: true,
      token: true,
      answer: [200, 'Certificate'],
      parameters: [pathParameter('serial')],
    },
  },
}

/** What the bodies are. */
export const AUTHORITY_SCHEMAS: Record<string, object> = {
  Request: record(
    {
      csr: text,
      names: list(text),
      profile: { enum: ['server', 'client', 'both'] },
      days: { type: 'integer' },
    },
    ['csr'],
  ),
  Renewal: record({ csr: text, certificate: text, time, signature: text }, []),
  IssuedCertificate: record({ certificate: text, chain: text, serial: text }),
  Certificate: record(
    {
      serial: text,
      names: list(text),
      profile: text,
      requester: text,
      notBefore: time,
      notAfter: time,
      revokedAt: time,
      fingerprint: text,
      keyType: text,
    },
    ['serial', 'names', 'profile', 'requester', 'notBefore', 'notAfter', 'fingerprint', 'keyType'],
  ),
  Certificates: record(
    { certificates: list({ $ref: '#/components/schemas/Certificate' }), next: text },
    ['certificates'],
  ),
}
