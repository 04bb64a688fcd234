#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs reflexd from this folder on a system without dpkg, or a newer version
# of it. It needs no more than BusyBox.
#
#	./install.sh            install, and start it now and at every boot
#	./install.sh --remove   stop it and remove it; the configuration stays
#	./install.sh --purge    remove the configuration and the state too
#
# PREFIX, by default /usr/local, is where the program goes. INIT is what starts
# it: systemd, openrc, runit, inittab or none; by default what runs here.

set -eu
cd "$(dirname "$0")"
program=${PREFIX:-/usr/local}/bin/reflexd
unit=/etc/systemd/system/reflexd.service
script=/etc/init.d/reflexd
service=/etc/sv/reflexd
inittab=/etc/inittab
entry=":respawn:$program run" # in a line of inittab, with or without more arguments

die() { echo "install.sh: $*" >&2; exit 1; }

# detect prints which init system runs here.
detect() {
	if [ -d /run/systemd/system ]; then
		echo systemd
	elif [ -d /run/openrc ]; then
		echo openrc
	elif [ -d /run/runit ]; then
		echo runit
	elif [ -f $inittab ]; then
		echo inittab
	else
		echo none
	fi
}

# adapt copies a file of a service, with the program's place, and keeps its mode.
# A file that is another one, perhaps since somebody has edited it, stays beside it.
adapt() {
	sed "s|/usr/local/bin/reflexd|$program|" "$1" >"$2.new"
	[ ! -x "$1" ] || chmod 755 "$2.new"
	if [ -e "$2" ] && ! cmp -s "$2" "$2.new"; then
		cp "$2" "$2.old"
		chmod 644 "$2.old"
		echo "install.sh: replaced $2; the previous file is $2.old"
	fi
	mv "$2.new" "$2"
}

# supervised prints the folder whose services runit runs.
supervised() {
	for folder in /var/service /etc/service /service; do
		if [ -d $folder ]; then
			echo $folder
			return
		fi
	done
	die "runit has none of the folders /var/service, /etc/service, /service"
}

# enabled tells whether inittab has a line that starts the agent.
enabled() { grep -v '^#' $inittab | grep -qF "$entry"; }

# stop ends the running agent, whatever started it.
stop() {
	pid=$("$program" status --json 2>/dev/null | sed -n 's/^ *"pid": *\([0-9]*\).*/\1/p')
	[ -z "$pid" ] || kill "$pid"
}

# start has the init system start the agent now and at every boot, or start it again.
start() {
	case $init in
	systemd)
		adapt reflexd.service $unit
		systemctl daemon-reload
		systemctl enable --quiet reflexd
		systemctl restart reflexd
		;;
	openrc)
		adapt openrc/reflexd $script
		rc-update add reflexd default >/dev/null
		rc-service reflexd restart
		;;
	runit)
		folder=$(supervised)
		mkdir -p $service/log
		for file in run check log/run; do
			adapt runit/$file $service/$file
		done
		if [ -e "$folder/reflexd" ]; then
			sv restart "$folder/reflexd"
		else
			ln -s $service "$folder/reflexd"
		fi
		;;
	inittab)
		if enabled; then
			stop # init starts it again
		else
			[ -z "$(tail -c 1 $inittab)" ] || echo >>$inittab # the last line may have no end
			echo ":$entry" >>$inittab
			kill -HUP 1
		fi
		;;
	*) echo "install.sh: have your init system run \`$program run\`" ;;
	esac
}

# unstart has the init system stop the agent and forget it.
unstart() {
	case $init in
	systemd)
		systemctl disable --quiet --now reflexd || true
		rm -f $unit $unit.old
		systemctl daemon-reload
		;;
	openrc)
		rc-service --ifexists reflexd stop || true
		rc-update delete reflexd default >/dev/null 2>&1 || true
		rm -f $script $script.old
		;;
	runit)
		folder=$(supervised)
		if [ -e "$folder/reflexd" ]; then
			sv exit "$folder/reflexd" || true
			rm -f "$folder/reflexd"
		fi
		rm -rf $service
		;;
	inittab)
		if enabled; then
			grep -vF "$entry" $inittab >$inittab.new || true
			cat $inittab.new >$inittab # it keeps its owner and permissions
			rm $inittab.new
			kill -HUP 1
		fi
		stop
		;;
	*) stop ;;
	esac
}

install() {
	mkdir -p "${program%/*}" /etc/reflexd/conf.d
	cp reflexd "$program.new"
	chmod 755 "$program.new"
	[ -e /etc/reflexd/reflexd.yaml ] || cp reflexd.yaml /etc/reflexd/
	if ! "$program.new" check; then
		rm "$program.new"
		die "this version refuses the configuration; nothing was changed"
	fi
	mv "$program.new" "$program"
	start
}

remove() {
	unstart
	rm -f "$program"
}

[ "$(id -u)" = 0 ] || die "run this as root"
init=${INIT:-$(detect)}
case $init in
systemd | openrc | runit | inittab | none) ;;
*) die "INIT=$init: expected systemd, openrc, runit, inittab or none" ;;
esac
case ${1-} in
'') install ;;
--remove) remove ;;
--purge)
	remove
	rm -rf /etc/reflexd /var/lib/reflexd /run/reflexd /var/log/reflexd
	;;
*) die "unknown option $1" ;;
esac
