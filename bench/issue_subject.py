"""The same certificate by Python's cryptography, for issue.ts: prints how many a second of CPU time."""

import datetime
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

issuer_key = ec.generate_private_key(ec.SECP256R1())
leaf_key = ec.generate_private_key(ec.SECP256R1()).public_key()
issuer = x509.Name(
    [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Bench"),
        x509.NameAttribute(NameOID.COMMON_NAME, "Bench Issuer"),
    ]
)
authority_key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
not_before = datetime.datetime(2026, 1, 1)
not_after = datetime.datetime(2027, 1, 1)


def issue():
    name = "api.corp.internal"
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(leaf_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(authority_key_id, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


for _ in range(500):
    issue()
started = time.process_time()
count = 0
while time.process_time() - started < 0.4:
    for _ in range(20):
        issue()
    count += 20
print(count / (time.process_time() - started))
