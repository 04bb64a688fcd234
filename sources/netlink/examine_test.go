// SPDX-License-Identifier: MIT

package netlink

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

func TestExamine(t *testing.T) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_USERSOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	const port = 4711
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port}); err != nil {
		t.Fatal(err)
	}
	plan, ps := read(`
netlink:
  taken: {protocol: usersock, port: 4711}
  held: {protocol: usersock, port: 4711, buffer: 64K}
  free: {protocol: usersock, port: 4712, groups: [21], buffer: 64K}
  family: {family: nlctrl, groups: [notify], buffer: 64K}
  absent: {family: no-such-family, groups: [x]}
  typo: {family: nlctrl, groups: [notfy]}
  high: {protocol: route, groups: [4000]}
`)
	if len(ps.All()) > 1 { // the port is there twice
		t.Fatal(ps)
	}
	x := &sources.Report{Configured: true, States: map[string][]sources.State{"netlink": {{Name: "held", OK: true}, {Name: "taken"}}}}
	plan.Examine(x)
	want := []string{
		"BAD netlink taken: bind port 4711: address already in use: process " + fmt.Sprint(os.Getpid()),
		"ok netlink held: held by the running agent",
		"ok netlink free: usersock, its groups can be joined",
		"ok netlink family: family nlctrl, its groups can be joined",
		"BAD netlink absent: find family no-such-family: no such family: is its module loaded?",
		`BAD netlink typo: join group notfy: the family has no such group; did you mean "notify"?`,
		"BAD netlink high: join group 4000: ",
	}
	if len(x.Findings) != len(want) {
		t.Fatalf("%d findings: %+v", len(x.Findings), x.Findings)
	}
	for i, f := range x.Findings {
		if got := fmt.Sprintf("%s %s: %s", f.Mark, f.Subject, f.Found); !strings.HasPrefix(got, want[i]) {
			t.Errorf("got  %s\nwant %s", got, want[i])
		}
	}
}
