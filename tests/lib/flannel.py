# SPDX-License-Identifier: GPL-2.0-or-later
"""The flannel daemon's part of a node: the file that it writes."""

from pathlib import Path


def subnet_env(*lines, file="/run/flannel/subnet.env"):
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text("".join(f"FLANNEL_{line}\n" for line in lines))


def of_the_example(_w=None):
    """For conf-examples/34-flannel; the node masquerades by itself."""
    subnet_env("NETWORK=10.34.0.0/16", "SUBNET=10.34.7.1/24", "IPV6_NETWORK=fd34::/48", "IPV6_SUBNET=fd34:0:0:7::1/64",
               "MTU=1340", "IPMASQ=true")
