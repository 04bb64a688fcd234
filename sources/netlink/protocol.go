// SPDX-License-Identifier: MIT

// Protocols: the numbers of include/uapi/linux/netlink.h by name.

package netlink

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"reflexd/config"
)

// maxProtocol is the last protocol there can be (MAX_LINKS - 1).
const maxProtocol = 31

// protocols have the names of the kernel's constants, in lower case.
var protocols = [...]struct {
	name   string
	number int
}{
	{"route", unix.NETLINK_ROUTE},
	{"usersock", unix.NETLINK_USERSOCK},
	{"firewall", unix.NETLINK_FIREWALL},
	{"sock-diag", unix.NETLINK_SOCK_DIAG},
	{"nflog", unix.NETLINK_NFLOG},
	{"xfrm", unix.NETLINK_XFRM},
	{"selinux", unix.NETLINK_SELINUX},
	{"iscsi", unix.NETLINK_ISCSI},
	{"audit", unix.NETLINK_AUDIT},
	{"fib-lookup", unix.NETLINK_FIB_LOOKUP},
	{"connector", unix.NETLINK_CONNECTOR},
	{"netfilter", unix.NETLINK_NETFILTER},
	{"dnrtmsg", unix.NETLINK_DNRTMSG},
	{"kobject-uevent", unix.NETLINK_KOBJECT_UEVENT},
	{"generic", unix.NETLINK_GENERIC},
	{"scsitransport", unix.NETLINK_SCSITRANSPORT},
	{"ecryptfs", unix.NETLINK_ECRYPTFS},
	{"rdma", unix.NETLINK_RDMA},
	{"crypto", unix.NETLINK_CRYPTO},
	{"smc", unix.NETLINK_SMC},
}

// parseProtocol reads a protocol's name or number.
func parseProtocol(s string) (int, error) {
	var names []string
	for _, p := range protocols {
		if p.name == s {
			return p.number, nil
		}
		names = append(names, p.name)
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("expected a protocol's name or its number, found %q%s", s, config.Suggest(s, names))
	}
	if n < 0 || n > maxProtocol {
		return 0, fmt.Errorf("no protocol %d: they are from 0 to %d", n, maxProtocol)
	}
	return n, nil
}

// protocolName returns "usersock", or "protocol 25" for one without a name.
func protocolName(number int) string {
	for _, p := range protocols {
		if p.number == number {
			return p.name
		}
	}
	return "protocol " + strconv.Itoa(number)
}

// fixedGroups returns how many groups a protocol has where that is the same
// in all kernels, else 0.
func fixedGroups(protocol int) uint32 {
	const least = 32 // no protocol has fewer (netlink_kernel_create)
	switch protocol {
	case unix.NETLINK_USERSOCK, unix.NETLINK_KOBJECT_UEVENT:
		return least
	}
	return 0
}
