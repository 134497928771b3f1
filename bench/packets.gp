# SPDX-License-Identifier: GPL-2.0-or-later
# Packets against the number of host ports and of pods. From bench/run: out, labels, and for hostport and firewall
# a file (number, then median and quartiles per label), its least and most number, its highest figure.
set terminal svg size 960,420 dynamic font "sans-serif,13" background "white"
set output out
set datafile missing "?"
set logscale x
set grid ytics lc rgb "#dddddd"
set key outside bottom center horizontal maxrows 2 samplen 2 font ",11"
set xtics ("1" 1, "10" 10, "100" 100, "1,000" 1000, "5,000" 5000)
colours = "#2a7f2a #c23b22 #d98a1f"
set multiplot layout 1,2
set title "new connections a second through a host port"
set xlabel "host ports on the node"
plot [hostport_from*0.9:hostport_to*1.1] [0:hostport_top*1.1] for [i = 1:3] \
	hostport using 1:(column(3*i-1)):(column(3*i)):(column(3*i+1)) \
	with yerrorlines lw 2 pt 7 ps 0.5 lc rgb word(colours, i) title word(labels, i)
set title "one pod's TCP flow through firewall, Gbit/s"
set xlabel "pods on the node"
plot [firewall_from*0.9:firewall_to*1.1] [0:firewall_top*1.1/1e9] for [i = 1:2] \
	firewall using 1:(column(3*i-1)/1e9):(column(3*i)/1e9):(column(3*i+1)/1e9) \
	with yerrorlines lw 2 pt 7 ps 0.5 lc rgb word(colours, i) title word(labels, i)
unset multiplot
