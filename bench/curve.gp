# SPDX-License-Identifier: GPL-2.0-or-later
# ADD or DEL against the number of pods, a panel per chain. From bench/run: out, verb, pods (the most), top (ms),
# labels, nat and full (files: pods, then median and quartiles per label).
set terminal svg size 960,420 dynamic font "sans-serif,13" background "white"
set output out
set datafile missing "?"
set logscale xy
set grid ytics lc rgb "#dddddd"
set key outside bottom center horizontal maxrows 3 samplen 2 font ",11"
set xlabel "pods on the node"
set xtics ("1" 1, "10" 10, "100" 100, "1,000" 1000)
set ytics ("1 ms" 1, "2" 2, "5" 5, "10 ms" 10, "20" 20, "50" 50, "100 ms" 100, "200" 200, "500" 500, \
	"1 s" 1000, "2" 2000, "5" 5000)
colours = "#2a7f2a #777777 #c23b22 #d98a1f #4060b0"
set multiplot layout 1,2
do for [panel = 1:2] {
	data = panel == 1 ? nat : full
	set title verb.(panel == 1 ? ": bridge, host-local, ipMasq, portmap" : ": the same, firewall, tuning")
	plot [0.9:pods*1.1] [1:top*1.2] for [i = 1:words(labels)] \
		data using 1:(column(3*i-1)/1e6):(column(3*i)/1e6):(column(3*i+1)/1e6) \
		with yerrorlines lw 2 pt 7 ps 0.5 lc rgb word(colours, i) title word(labels, i)
}
unset multiplot
