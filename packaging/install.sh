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
# PREFIX, by default /usr/local, is where the program goes.

set -eu
cd "$(dirname "$0")"
program=${PREFIX:-/usr/local}/bin/reflexd
unit=/etc/systemd/system/reflexd.service
inittab=/etc/inittab
line="::respawn:$program run"

die() { echo "install.sh: $*" >&2; exit 1; }

systemd() { [ -d /run/systemd/system ]; }

# stop ends the running agent, whatever started it.
stop() {
	pid=$("$program" status --json 2>/dev/null | sed -n 's/^ *"pid": *\([0-9]*\).*/\1/p')
	[ -z "$pid" ] || kill "$pid"
}

# start_always has the system's process 1 start the agent.
start_always() {
	if systemd; then
		sed "s|/usr/local/bin/reflexd|$program|" reflexd.service >$unit
		systemctl daemon-reload
		systemctl enable --quiet reflexd
		systemctl restart reflexd
	elif [ -f $inittab ]; then
		if grep -qxF "$line" $inittab; then
			stop # init starts it again
		else
			echo "$line" >>$inittab
			kill -HUP 1
		fi
	else
		echo "install.sh: have your init system run \`$program run\`"
	fi
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
	start_always
}

remove() {
	if systemd; then
		systemctl disable --quiet --now reflexd || true
		rm -f $unit
		systemctl daemon-reload
	elif [ -f $inittab ] && grep -qxF "$line" $inittab; then
		grep -vxF "$line" $inittab >$inittab.new || true
		cat $inittab.new >$inittab # it keeps its owner and permissions
		rm $inittab.new
		kill -HUP 1
		stop
	fi
	rm -f "$program"
}

[ "$(id -u)" = 0 ] || die "run this as root"
case ${1-} in
'') install ;;
--remove) remove ;;
--purge)
	remove
	rm -rf /etc/reflexd /var/lib/reflexd /run/reflexd
	;;
*) die "unknown option $1" ;;
esac
