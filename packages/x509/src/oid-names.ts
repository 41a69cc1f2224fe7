/**
 * The names OpenSSL prints for object identifiers (its long names), for what appears in certificates.
 *
 * CPython prints these, so `toPythonDict()` needs the same spelling.
 *
 * @module
 */

/**
 * The name of an object identifier as OpenSSL writes it: `commonName`, `ecdsa-with-SHA256`, `TLS Web Server Authentication`.
 *
 * @returns the name, or `undefined` for one not in the table
 */
export function oidName(dotted: string): string | undefined {
  names ??= readTable()
  return names.get(dotted)
}

/** One arc a line, then its members. */
const TABLE = `
0.9.2342.19200300.100|1=pilotAttributeType|3=pilotAttributeSyntax|4=pilotObjectClass
0.9.2342.19200300.100|10=pilotGroups
0.9.2342.19200300.100.1|1=userId|2=textEncodedORAddress|3=rfc822Mailbox|4=info|5=favouriteDrink
0.9.2342.19200300.100.1|6=roomNumber|7=photo|8=userClass|9=host|10=manager|11=documentIdentifier
0.9.2342.19200300.100.1|12=documentTitle|13=documentVersion|14=documentAuthor|15=documentLocation
0.9.2342.19200300.100.1|20=homeTelephoneNumber|21=secretary|22=otherMailbox|23=lastModifiedTime
0.9.2342.19200300.100.1|24=lastModifiedBy|25=domainComponent|26=aRecord|27=pilotAttributeType27
0.9.2342.19200300.100.1|28=mXRecord|29=nSRecord|30=sOARecord|31=cNAMERecord|37=associatedDomain
0.9.2342.19200300.100.1|38=associatedName|39=homePostalAddress|40=personalTitle
0.9.2342.19200300.100.1|41=mobileTelephoneNumber|42=pagerTelephoneNumber|43=friendlyCountryName
0.9.2342.19200300.100.1|44=uniqueIdentifier|45=organizationalStatus|46=janetMailbox
0.9.2342.19200300.100.1|47=mailPreferenceOption|48=buildingName|49=dSAQuality
0.9.2342.19200300.100.1|50=singleLevelQuality|51=subtreeMinimumQuality|52=subtreeMaximumQuality
0.9.2342.19200300.100.1|53=personalSignature|54=dITRedirect|55=audio|56=documentPublisher
0.9.2342.19200300.100.3|4=iA5StringSyntax|5=caseIgnoreIA5StringSyntax
0.9.2342.19200300.100.4|3=pilotObject|4=pilotPerson|5=account|6=document|7=room|9=documentSeries
0.9.2342.19200300.100.4|13=Domain|14=rFC822localPart|15=dNSDomain|17=domainRelatedObject
0.9.2342.19200300.100.4|18=friendlyCountry|19=simpleSecurityObject|20=pilotOrganization
0.9.2342.19200300.100.4|21=pilotDSA|22=qualityLabelledData
1.2.643.3.131.1|1=INN
1.2.643.100|1=OGRN|3=SNILS|5=OGRNIP|111=Signing Tool of Subject|112=Signing Tool of Issuer
1.2.643.100|113=Class of Signing Tool
1.2.643.100.113|1=Class of Signing Tool KC1|2=Class of Signing Tool KC2
1.2.643.100.113|3=Class of Signing Tool KC3|4=Class of Signing Tool KB1
1.2.643.100.113|5=Class of Signing Tool KB2|6=Class of Signing Tool KA1
1.2.840.10045.2|1=id-ecPublicKey
1.2.840.10045.3.1|1=prime192v1|2=prime192v2|3=prime192v3|4=prime239v1|5=prime239v2|6=prime239v3
1.2.840.10045.3.1|7=prime256v1
1.2.840.10045.4|1=ecdsa-with-SHA1|2=ecdsa-with-Recommended|3=ecdsa-with-Specified
1.2.840.10045.4.3|1=ecdsa-with-SHA224|2=ecdsa-with-SHA256|3=ecdsa-with-SHA384|4=ecdsa-with-SHA512
1.2.840.113549.1.1|1=rsaEncryption|2=md2WithRSAEncryption|3=md4WithRSAEncryption
1.2.840.113549.1.1|4=md5WithRSAEncryption|5=sha1WithRSAEncryption|6=rsaOAEPEncryptionSET
1.2.840.113549.1.1|7=rsaesOaep|8=mgf1|9=pSpecified|10=rsassaPss|11=sha256WithRSAEncryption
1.2.840.113549.1.1|12=sha384WithRSAEncryption|13=sha512WithRSAEncryption
1.2.840.113549.1.1|14=sha224WithRSAEncryption|15=sha512-224WithRSAEncryption
1.2.840.113549.1.1|16=sha512-256WithRSAEncryption
1.2.840.113549.1.5|1=pbeWithMD2AndDES-CBC|3=pbeWithMD5AndDES-CBC|4=pbeWithMD2AndRC2-CBC
1.2.840.113549.1.5|6=pbeWithMD5AndRC2-CBC|10=pbeWithSHA1AndDES-CBC|11=pbeWithSHA1AndRC2-CBC
1.2.840.113549.1.5|12=PBKDF2|13=PBES2|14=PBMAC1
1.2.840.113549.1.7|1=pkcs7-data|2=pkcs7-signedData|3=pkcs7-envelopedData
1.2.840.113549.1.7|4=pkcs7-signedAndEnvelopedData|5=pkcs7-digestData|6=pkcs7-encryptedData
1.2.840.113549.1.9|1=emailAddress|2=unstructuredName|3=contentType|4=messageDigest|5=signingTime
1.2.840.113549.1.9|6=countersignature|7=challengePassword|8=unstructuredAddress
1.2.840.113549.1.9|9=extendedCertificateAttributes|14=Extension Request|15=S/MIME Capabilities
1.2.840.113549.1.9|16=S/MIME|20=friendlyName|21=localKeyID
1.2.840.113549.1.9.16|0=id-smime-mod|1=id-smime-ct|2=id-smime-aa|3=id-smime-alg|4=id-smime-cd
1.2.840.113549.1.9.16|5=id-smime-spq|6=id-smime-cti
1.2.840.113549.1.9.16.0|1=id-smime-mod-cms|2=id-smime-mod-ess|3=id-smime-mod-oid
1.2.840.113549.1.9.16.0|4=id-smime-mod-msg-v3|5=id-smime-mod-ets-eSignature-88
1.2.840.113549.1.9.16.0|6=id-smime-mod-ets-eSignature-97|7=id-smime-mod-ets-eSigPolicy-88
1.2.840.113549.1.9.16.0|8=id-smime-mod-ets-eSigPolicy-97
1.2.840.113549.1.9.16.1|1=id-smime-ct-receipt|2=id-smime-ct-authData|3=id-smime-ct-publishCert
1.2.840.113549.1.9.16.1|4=id-smime-ct-TSTInfo|5=id-smime-ct-TDTInfo|6=id-smime-ct-contentInfo
1.2.840.113549.1.9.16.1|7=id-smime-ct-DVCSRequestData|8=id-smime-ct-DVCSResponseData
1.2.840.113549.1.9.16.1|9=id-smime-ct-compressedData|19=id-smime-ct-contentCollection
1.2.840.113549.1.9.16.1|23=id-smime-ct-authEnvelopedData|24=id-ct-routeOriginAuthz
1.2.840.113549.1.9.16.1|26=id-ct-rpkiManifest|27=id-ct-asciiTextWithCRLF|28=id-ct-xml
1.2.840.113549.1.9.16.1|35=id-ct-rpkiGhostbusters|36=id-ct-resourceTaggedAttest
1.2.840.113549.1.9.16.1|47=id-ct-geofeedCSVwithCRLF|48=id-ct-signedChecklist
1.2.840.113549.1.9.16.2|1=id-smime-aa-receiptRequest|2=id-smime-aa-securityLabel
1.2.840.113549.1.9.16.2|3=id-smime-aa-mlExpandHistory|4=id-smime-aa-contentHint
1.2.840.113549.1.9.16.2|5=id-smime-aa-msgSigDigest|6=id-smime-aa-encapContentType
1.2.840.113549.1.9.16.2|7=id-smime-aa-contentIdentifier|8=id-smime-aa-macValue
1.2.840.113549.1.9.16.2|9=id-smime-aa-equivalentLabels|10=id-smime-aa-contentReference
1.2.840.113549.1.9.16.2|11=id-smime-aa-encrypKeyPref|12=id-smime-aa-signingCertificate
1.2.840.113549.1.9.16.2|13=id-smime-aa-smimeEncryptCerts|14=id-smime-aa-timeStampToken
1.2.840.113549.1.9.16.2|15=id-smime-aa-ets-sigPolicyId|16=id-smime-aa-ets-commitmentType
1.2.840.113549.1.9.16.2|17=id-smime-aa-ets-signerLocation|18=id-smime-aa-ets-signerAttr
1.2.840.113549.1.9.16.2|19=id-smime-aa-ets-otherSigCert|20=id-smime-aa-ets-contentTimestamp
1.2.840.113549.1.9.16.2|21=id-smime-aa-ets-CertificateRefs|22=id-smime-aa-ets-RevocationRefs
1.2.840.113549.1.9.16.2|23=id-smime-aa-ets-certValues|24=id-smime-aa-ets-revocationValues
1.2.840.113549.1.9.16.2|25=id-smime-aa-ets-escTimeStamp|26=id-smime-aa-ets-certCRLTimestamp
1.2.840.113549.1.9.16.2|27=id-smime-aa-ets-archiveTimeStamp|28=id-smime-aa-signatureType
1.2.840.113549.1.9.16.2|29=id-smime-aa-dvcs-dvc|47=id-smime-aa-signingCertificateV2
1.2.840.113549.1.9.16.3|1=id-smime-alg-ESDHwith3DES|2=id-smime-alg-ESDHwithRC2
1.2.840.113549.1.9.16.3|3=id-smime-alg-3DESwrap|4=id-smime-alg-RC2wrap|5=id-smime-alg-ESDH
1.2.840.113549.1.9.16.3|6=id-smime-alg-CMS3DESwrap|7=id-smime-alg-CMSRC2wrap|8=zlib compression
1.2.840.113549.1.9.16.3|9=id-alg-PWRI-KEK
1.2.840.113549.1.9.16.4|1=id-smime-cd-ldap
1.2.840.113549.1.9.16.5|1=id-smime-spq-ets-sqt-uri|2=id-smime-spq-ets-sqt-unotice
1.2.840.113549.1.9.16.6|1=id-smime-cti-ets-proofOfOrigin|2=id-smime-cti-ets-proofOfReceipt
1.2.840.113549.1.9.16.6|3=id-smime-cti-ets-proofOfDelivery|4=id-smime-cti-ets-proofOfSender
1.2.840.113549.1.9.16.6|5=id-smime-cti-ets-proofOfApproval|6=id-smime-cti-ets-proofOfCreation
1.2.840.113549.1.9.22|1=x509Certificate|2=sdsiCertificate
1.2.840.113549.1.9.23|1=x509Crl
1.2.840.113549.1.12.1|1=pbeWithSHA1And128BitRC4|2=pbeWithSHA1And40BitRC4
1.2.840.113549.1.12.1|3=pbeWithSHA1And3-KeyTripleDES-CBC|4=pbeWithSHA1And2-KeyTripleDES-CBC
1.2.840.113549.1.12.1|5=pbeWithSHA1And128BitRC2-CBC|6=pbeWithSHA1And40BitRC2-CBC
1.2.840.113549.1.12.10.1|1=keyBag|2=pkcs8ShroudedKeyBag|3=certBag|4=crlBag|5=secretBag
1.2.840.113549.1.12.10.1|6=safeContentsBag
1.3.6.1.4.1.311.2.1|14=Microsoft Extension Request|21=Microsoft Individual Code Signing
1.3.6.1.4.1.311.2.1|22=Microsoft Commercial Code Signing
1.3.6.1.4.1.311.10.3|1=Microsoft Trust List Signing|3=Microsoft Server Gated Crypto
1.3.6.1.4.1.311.10.3|4=Microsoft Encrypted File System
1.3.6.1.4.1.311.17|1=Microsoft CSP Name|2=Microsoft Local Key set
1.3.6.1.4.1.311.20.2|2=Microsoft Smartcard Login|3=Microsoft User Principal Name
1.3.6.1.4.1.311.60.2.1|1=jurisdictionLocalityName|2=jurisdictionStateOrProvinceName
1.3.6.1.4.1.311.60.2.1|3=jurisdictionCountryName
1.3.6.1.4.1.11129.2.4|2=CT Precertificate SCTs|3=CT Precertificate Poison
1.3.6.1.4.1.11129.2.4|4=CT Precertificate Signer|5=CT Certificate SCTs
1.3.6.1.5.5.7.1|1=Authority Information Access|2=Biometric Info|3=qcStatements|4=ac-auditEntity
1.3.6.1.5.5.7.1|5=ac-targeting|6=aaControls|7=sbgp-ipAddrBlock|8=sbgp-autonomousSysNum
1.3.6.1.5.5.7.1|9=sbgp-routerIdentifier|10=ac-proxying|11=Subject Information Access
1.3.6.1.5.5.7.1|14=Proxy Certificate Information|24=TLS Feature|28=sbgp-ipAddrBlockv2
1.3.6.1.5.5.7.1|29=sbgp-autonomousSysNumv2
1.3.6.1.5.5.7.2|1=Policy Qualifier CPS|2=Policy Qualifier User Notice|3=textNotice
1.3.6.1.5.5.7.3|1=TLS Web Server Authentication|2=TLS Web Client Authentication|3=Code Signing
1.3.6.1.5.5.7.3|4=E-mail Protection|5=IPSec End System|6=IPSec Tunnel|7=IPSec User|8=Time Stamping
1.3.6.1.5.5.7.3|9=OCSP Signing|10=dvcs|17=ipsec Internet Key Exchange|18=Ctrl/provision WAP Access
1.3.6.1.5.5.7.3|19=Ctrl/Provision WAP Termination|21=SSH Client|22=SSH Server|23=Send Router
1.3.6.1.5.5.7.3|24=Send Proxied Router|25=Send Owner|26=Send Proxied Owner
1.3.6.1.5.5.7.3|27=CMC Certificate Authority|28=CMC Registration Authority|29=CMC Archive Server
1.3.6.1.5.5.7.3|30=BGPsec Router|31=Brand Indicator for Message Identification
1.3.6.1.5.5.7.3|32=Certificate Management Key Generation Authority
1.3.6.1.5.5.7.8|1=id-on-personalData|3=Permanent Identifier|5=XmppAddr|7=SRVName|8=NAIRealm
1.3.6.1.5.5.7.8|9=Smtp UTF8 Mailbox
1.3.6.1.5.5.7.9|1=id-pda-dateOfBirth|2=id-pda-placeOfBirth|3=id-pda-gender
1.3.6.1.5.5.7.9|4=id-pda-countryOfCitizenship|5=id-pda-countryOfResidence
1.3.6.1.5.5.7.48|1=OCSP|2=CA Issuers|3=AD Time Stamping|4=ad dvcs|5=CA Repository|10=RPKI Manifest
1.3.6.1.5.5.7.48|11=Signed Object|13=RPKI Notify
1.3.6.1.5.5.7.48.1|1=Basic OCSP Response|2=OCSP Nonce|3=OCSP CRL ID|4=Acceptable OCSP Responses
1.3.6.1.5.5.7.48.1|5=OCSP No Check|6=OCSP Archive Cutoff|7=OCSP Service Locator
1.3.6.1.5.5.7.48.1|8=Extended OCSP Status|9=valid|10=path|11=Trust Root
1.3.14.3.2|3=md5WithRSA|6=des-ecb|7=des-cbc|8=des-ofb|9=des-cfb|11=rsaSignature
1.3.14.3.2|12=dsaEncryption-old|13=dsaWithSHA|15=shaWithRSAEncryption|17=des-ede|18=sha|26=sha1
1.3.14.3.2|27=dsaWithSHA1-old|29=sha1WithRSA
1.3.101.1.4|1=Strong Extranet ID
1.3.101|110=X25519|111=X448|112=ED25519|113=ED448
2.5.4|3=commonName|4=surname|5=serialNumber|6=countryName|7=localityName|8=stateOrProvinceName
2.5.4|9=streetAddress|10=organizationName|11=organizationalUnitName|12=title|13=description
2.5.4|14=searchGuide|15=businessCategory|16=postalAddress|17=postalCode|18=postOfficeBox
2.5.4|19=physicalDeliveryOfficeName|20=telephoneNumber|21=telexNumber|22=teletexTerminalIdentifier
2.5.4|23=facsimileTelephoneNumber|24=x121Address|25=internationaliSDNNumber|26=registeredAddress
2.5.4|27=destinationIndicator|28=preferredDeliveryMethod|29=presentationAddress
2.5.4|30=supportedApplicationContext|31=member|32=owner|33=roleOccupant|34=seeAlso|35=userPassword
2.5.4|36=userCertificate|37=cACertificate|38=authorityRevocationList|39=certificateRevocationList
2.5.4|40=crossCertificatePair|41=name|42=givenName|43=initials|44=generationQualifier
2.5.4|45=x500UniqueIdentifier|46=dnQualifier|47=enhancedSearchGuide|48=protocolInformation
2.5.4|49=distinguishedName|50=uniqueMember|51=houseIdentifier|52=supportedAlgorithms
2.5.4|53=deltaRevocationList|54=dmdName|65=pseudonym|72=role|97=organizationIdentifier
2.5.4|98=countryCode3c|99=countryCode3n|100=dnsName
2.5.8.1|1=rsa
2.5.8.3|100=mdc2WithRSA|101=mdc2
2.5.29|9=X509v3 Subject Directory Attributes|14=X509v3 Subject Key Identifier|15=X509v3 Key Usage
2.5.29|16=X509v3 Private Key Usage Period|17=X509v3 Subject Alternative Name
2.5.29|18=X509v3 Issuer Alternative Name|19=X509v3 Basic Constraints|20=X509v3 CRL Number
2.5.29|21=X509v3 CRL Reason Code|23=Hold Instruction Code|24=Invalidity Date
2.5.29|27=X509v3 Delta CRL Indicator|28=X509v3 Issuing Distribution Point
2.5.29|29=X509v3 Certificate Issuer|30=X509v3 Name Constraints|31=X509v3 CRL Distribution Points
2.5.29|32=X509v3 Certificate Policies|33=X509v3 Policy Mappings|35=X509v3 Authority Key Identifier
2.5.29|36=X509v3 Policy Constraints|37=X509v3 Extended Key Usage|46=X509v3 Freshest CRL
2.5.29|54=X509v3 Inhibit Any Policy|55=X509v3 AC Targeting|56=X509v3 No Revocation Available
2.5.29.32|0=X509v3 Any Policy
2.5.29.37|0=Any Extended Key Usage
2.16.840.1.101.3.4.3|1=dsa_with_SHA224|2=dsa_with_SHA256|3=dsa_with_SHA384|4=dsa_with_SHA512
2.16.840.1.101.3.4.3|5=dsa_with_SHA3-224|6=dsa_with_SHA3-256|7=dsa_with_SHA3-384
2.16.840.1.101.3.4.3|8=dsa_with_SHA3-512|9=ecdsa_with_SHA3-224|10=ecdsa_with_SHA3-256
2.16.840.1.101.3.4.3|11=ecdsa_with_SHA3-384|12=ecdsa_with_SHA3-512|13=RSA-SHA3-224|14=RSA-SHA3-256
2.16.840.1.101.3.4.3|15=RSA-SHA3-384|16=RSA-SHA3-512|17=ML-DSA-44|18=ML-DSA-65|19=ML-DSA-87
2.16.840.1.113730.1|1=Netscape Cert Type|2=Netscape Base Url|3=Netscape Revocation Url
2.16.840.1.113730.1|4=Netscape CA Revocation Url|7=Netscape Renewal Url|8=Netscape CA Policy Url
2.16.840.1.113730.1|12=Netscape SSL Server Name|13=Netscape Comment
`

/** Read when it is first asked for: whoever signs or serves prints no names. */
let names: ReadonlyMap<string, string> | undefined

function readTable(): ReadonlyMap<string, string> {
  const entries = TABLE.trim()
    .split('\n')
    .flatMap((line) => {
      const [arc, ...members] = line.split('|')
      return members.map((member): [string, string] => {
        const [last = '', name = ''] = member.split('=')
        return [`${arc}.${last}`, name]
      })
    })
  return new Map(entries)
}
