#!/bin/bash
# Debian's kernel without one of the nf_tables modules that our rules need.
exec "$(dirname "$(realpath "$0")")/inside" no_nat.py
