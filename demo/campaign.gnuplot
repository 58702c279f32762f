# The course of a campaign: seconds, done, failed, running, waiting, state.
#
#   gnuplot -e "data = 'move.dat'; drawing = 'campaign.svg'; members = 1000" demo/campaign.gnuplot

if (drawing[strlen(drawing) - 3:] eq '.png') {
	set terminal pngcairo size 860,360 font 'sans,11'
} else {
	set terminal svg size 860,360 font 'sans,13' background '#ffffff'
}
set output drawing
set title 'One campaign: a canary, a wave that halts, and the rest'
set xlabel 'seconds'
set ylabel 'eUICCs'
set xrange [0:*] noextend
set yrange [0:members]
set key outside right top reverse Left
set grid y linecolor '#dddddd'
set style fill solid 1.0 noborder
set tics nomirror out
set border 3

plot data using 1:(strcol(6) eq 'halted' ? members : 0) with fillsteps linecolor '#f3e3e3' title 'halted', \
	data using 1:(0):($2) with filledcurves linecolor '#4a9a5b' title 'done', \
	data using 1:2:($2 + $3) with filledcurves linecolor '#c0392b' title 'failed', \
	data using 1:($2 + $3):($2 + $3 + $4) with filledcurves linecolor '#e8b04a' title 'under way'
