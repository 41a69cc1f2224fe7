#!/usr/bin/env bash
# Installs, on Debian, every outside program that the tests talk to where they find it. Run as root.
set -euo pipefail
apt-get update
apt-get install -y --no-install-recommends \
  openssl curl faketime gnutls-bin oathtool python3 python3-requests python3-aiohttp python3-httpbin python3-jwt jose \
  nginx-light haproxy certbot lego default-jdk-headless libnss3-tools \
  postgresql redis-server chromium
