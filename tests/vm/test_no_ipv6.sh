#!/bin/bash
# Debian's kernel without IPv6.
exec "$(dirname "$(realpath "$0")")/inside" -k ipv6.disable=1 no_ipv6.py
