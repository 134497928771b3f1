#!/bin/bash
# Masquerade and host ports under Debian's nf_tables, alone and beside legacy iptables.
exec "$(dirname "$(realpath "$0")")/inside" nat.py legacy.py
