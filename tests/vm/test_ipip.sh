#!/bin/bash
# The overlay through ipip, which the development kernel lacks.
exec "$(dirname "$(realpath "$0")")/inside" ipip.py
