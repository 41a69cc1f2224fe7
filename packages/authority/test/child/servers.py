"""Reads lines of JSON {chain, key, roots, host}: one TLS handshake each, the client alone verifies and is strict; prints OK or why not."""

import json
import ssl
import sys


def handshake(case):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(case["chain"], case["key"])
    client = ssl.create_default_context(cafile=case["roots"])
    client.verify_flags |= ssl.VERIFY_X509_STRICT
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
    return sides[0].version()


for line in sys.stdin:
    try:
        print("OK" if handshake(json.loads(line)) else "incomplete", flush=True)
    except ssl.SSLError as error:
        print("refused", error, flush=True)
