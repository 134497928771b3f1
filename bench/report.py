# SPDX-License-Identifier: GPL-2.0-or-later
def table(d): return ""
def draw(d, o): pass
