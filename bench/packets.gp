# SPDX-License-Identifier: GPL-2.0-or-later
# Packets against the number of rules' owners: what a host port and what firewall let through. From bench/run:
# out, hostport, firewall (data), names.
set terminal svg size 960,420 dynamic font "sans-serif,13" background "white"
set output out
set datafile missing "?"
set logscale x
set grid ytics lc rgb "#dddddd"
set yrange [0:*]
set key outside bottom center horizontal maxrows 2 samplen 2 font ",11"
set format y "%'.0f"
set xtics ("1" 1, "10" 10, "100" 100, "1,000" 1000, "5,000" 5000)
colours = "#2a7f2a #c23b22 #d98a1f"
n = words(names)
set multiplot layout 1,2
set title "new connections a second through a host port"
set xlabel "host ports on the node"
plot for [i = 1:n] hostport using 1:(column(3*i-1)):(column(3*i)):(column(3*i+1)) \
	with yerrorlines lw 2 pt 7 ps 0.5 lc rgb word(colours, i) title word(labels, i)
set title "one pod's TCP flow through firewall, Gbit/s"
set xlabel "pods on the node"
plot for [i = 1:2] firewall using 1:(column(3*i-1)/1e9):(column(3*i)/1e9):(column(3*i+1)/1e9) \
	with yerrorlines lw 2 pt 7 ps 0.5 lc rgb word(colours, i) title word(labels, i)
unset multiplot
