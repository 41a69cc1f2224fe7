export {
  buildCertificate,
  buildCertificateAsync,
  type CertificateTemplate,
} from './build-certificate.ts'
export { Certificate } from './certificate.ts'
export { describeCertificate } from './describe-certificate.ts'
export { X509Error, type X509ErrorCode, type X509ErrorDetail } from './errors.ts'
export {
  type AccessDescription,
  type AuthorityKeyIdentifier,
  type BasicConstraints,
  type DirectoryAttribute,
  type DistributionPoint,
  type GeneralSubtree,
  KEY_USAGES,
  type KeyUsage,
  type NameConstraints,
  type PolicyConstraints,
  type PolicyInformation,
  type PolicyMapping,
  type PolicyQualifier,
  type RawExtension,
  type ReasonFlag,
} from './extension-types.ts'
export type { Extensions } from './extensions.ts'
export { equalGeneralNames, type GeneralName, printGeneralName } from './general-name.ts'
export { normaliseHostName } from './host-name.ts'
export { bytesToIp, ipToBytes } from './ip-address.ts'
export {
  createLinter,
  type Finding,
  lint,
  LINT_RULES,
  type Linter,
  type LintOptions,
  lintProfile,
} from './lint.ts'
export type {
  LintClient,
  LintProfile,
  LintRuleFacts,
  LintSeverity,
} from './lint-rule.ts'
export type { ReferenceName } from './match-name.ts'
export { type AttributeInput, Name, type NameAttribute, type NameFields } from './name.ts'
export type { AttributeName } from './name-attributes.ts'
export { oidName } from './oid-names.ts'
export { parseGeneralName } from './parse-general-name.ts'
export { encodePem, parsePem, type PemBlock } from './pem.ts'
export {
  PrivateKey,
  type PrivateKeyParseOptions,
  type PrivateKeyPemOptions,
} from './private-key.ts'
export { KEY_TYPES, type KeyType, PublicKey } from './public-key.ts'
export type { PythonAltName, PythonCertificateDict, PythonName } from './python-dictionary.ts'
export { CertificateRequest, createRequest, type RequestOptions } from './request.ts'
export { rsaFactorFault } from './rsa-factors.ts'
export { randomSerial } from './serial-number.ts'
export { signAgain, signAgainLater } from './sign-again.ts'
export { signingAlgorithm, verifySignature } from './signature.ts'
export type { Signer, SigningStream, SyncSigner } from './signature.ts'
export { type CrlTemplate, buildCrl, buildCrlAsync } from './build-crl.ts'
export type { CrlFrameTemplate } from './crl-frame.ts'
export {
  type CrlFrame,
  encodeRevoked,
  type LongCrlTemplate,
  redateRevoked,
  signLongCrl,
} from './sign-long-crl.ts'
export { CertificateRevocationList } from './crl.ts'
export type { CrlIndex } from './crl-serials.ts'
export type { IssuingDistributionPoint } from './issuing-distribution-point.ts'
export { REVOCATION_REASONS, type RevocationReason, type RevokedCertificate } from './crl-entry.ts'
export type {
  BasicOcspResponse,
  OcspAnswer,
  OcspCertificateStatus,
  OcspResponderId,
} from './basic-ocsp-response.ts'
export type { OcspResponseTemplate } from './build-ocsp-response.ts'
export { OcspCertId, type OcspHash } from './ocsp-cert-id.ts'
export { OcspRequest, type OcspRequestOptions } from './ocsp-request.ts'
export { OCSP_STATUSES, OcspResponse, type OcspStatus } from './ocsp-response.ts'
export { type OcspVerdict, verifyOcsp, type VerifyOcspOptions } from './verify-ocsp.ts'
export { type EncryptPkcs8Options, decryptPkcs8, encryptPkcs8 } from './pbes.ts'
export { type Pkcs12, type Pkcs12Contents, decodePkcs12, encodePkcs12 } from './pkcs12.ts'
export { type ClientPrediction, predictClients } from './predict-clients.ts'
export { verifyChain } from './verify-chain.ts'
export type { ClientId } from './verify/client-support.ts'
export type { CrlInput, OcspInput, VerifyOptions } from './verify/options.ts'
export { type CertificateInput, TrustAnchors } from './verify/trust-anchors.ts'
export type {
  Acceptance,
  AuthorityFacts,
  CandidateIssuer,
  CrlMissingFacts,
  CrlStaleFacts,
  CryptoFacts,
  ExtensionFacts,
  Fault,
  IssuerFacts,
  LengthFacts,
  NameConstraintFacts,
  NameFacts,
  PolicyFacts,
  PolicyRule,
  PurposeFacts,
  ReasonCode,
  Refusal,
  RefusalFacts,
  RevocationProof,
  RevokedFacts,
  SignatureFacts,
  UnusableCrl,
  UnusableOcsp,
  UnusableOcspReason,
  UnusableReason,
  ValidityFacts,
  Verdict,
} from './verify/verdict.ts'
export { type ConstrainedName, findConstrainedName } from './verify/name-constraints.ts'
