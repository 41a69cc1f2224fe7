"""Reads lines of JSON {server, client, key, clientKey?, roots, host}: one TLS handshake each, both sides strict; prints OK or why not."""

import json
import ssl
import sys


def handshake(case):
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=case["roots"])
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=case["roots"])
    identities = (server, case["server"], case["key"]), (client, case["client"], case.get("clientKey", case["key"]))
    for context, certificate, key in identities:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_cert_chain(certificate, key)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=case["host"]),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return sides[1].version() and sides[1].getpeercert() and sides[0].getpeercert()


for line in sys.stdin:
    try:
        print("OK" if handshake(json.loads(line)) else "incomplete", flush=True)
    except ssl.SSLError as error:
        print("refused", error, flush=True)
