// SPDX-License-Identifier: MIT

package nl_test

import (
	"fmt"

	"golang.org/x/sys/unix"

	"reflexd/sources/nl"
)

// family is what nlctrl of Linux 6.18 on a little-endian machine answers when
// asked for itself.
const family = "\x88\x00\x00\x00\x10\x00\x00\x00\x01\x00\x00\x00\x08R\x00\x00\x01\x02\x00\x00\x0b\x00\x02\x00nlctrl\x00\x00" +
	"\x06\x00\x01\x00\x10\x00\x00\x00\x08\x00\x03\x00\x02\x00\x00\x00\x08\x00\x04\x00\x00\x00\x00\x00\x08\x00\x05\x00\x00\x00\x00\x00" +
	",\x00\x06\x00\x14\x00\x01\x00\x08\x00\x01\x00\x03\x00\x00\x00\x08\x00\x02\x00\x0e\x00\x00\x00" +
	"\x14\x00\x02\x00\x08\x00\x01\x00\x0a\x00\x00\x00\x08\x00\x02\x00\x0c\x00\x00\x00" +
	"\x1c\x00\x07\x00\x18\x00\x01\x00\x08\x00\x02\x00\x10\x00\x00\x00\x0b\x00\x01\x00notify\x00\x00"

// A datagram is split into its messages, and what follows the header of the
// protocol, here genlmsghdr, into attributes. Some of these hold further ones.
func Example() {
	for m, err := range nl.Datagram([]byte(family)).Each {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("message of type", m.Type)
		for a, err := range nl.Attributes(m.Body[unix.GENL_HDRLEN:]).Each {
			switch {
			case err != nil:
				fmt.Println(err)
			case a.Type == unix.CTRL_ATTR_FAMILY_NAME:
				fmt.Println("family", a.Text())
			case a.Type == unix.CTRL_ATTR_VERSION:
				version, _ := a.Int()
				fmt.Println("version", version)
			case a.Type == unix.CTRL_ATTR_MCAST_GROUPS:
				printGroups(a.Value)
			}
		}
	}
	// Output:
	// message of type 16
	// family nlctrl
	// version 2
	// group notify
}

func printGroups(list []byte) {
	for group := range nl.Attributes(list).Each {
		for a := range nl.Attributes(group.Value).Each {
			if a.Type == unix.CTRL_ATTR_MCAST_GRP_NAME {
				fmt.Println("group", a.Text())
			}
		}
	}
}

// Two sockets of the protocol that is for processes among themselves.
func ExampleReceiver() {
	var sockets [2]nl.Socket
	for i := range sockets {
		var err error
		if sockets[i], err = nl.Open(nl.Config{Protocol: unix.NETLINK_USERSOCK}); err != nil {
			fmt.Println(err)
			return
		}
		defer sockets[i].Close()
	}
	hello := nl.Message{Type: unix.NLMSG_MIN_TYPE, Seq: 1, Body: []byte("hello")}
	if err := sockets[0].Send(hello.Append(nil), sockets[1].Port, 0); err != nil {
		fmt.Println(err)
		return
	}
	var r nl.Receiver
	b, from, err := r.Receive(sockets[1].FD)
	if err != nil || from.Port != sockets[0].Port {
		fmt.Println(from, err)
		return
	}
	for m := range nl.Datagram(b).Each {
		fmt.Printf("%d: %s\n", m.Seq, m.Body)
	}
	// Output:
	// 1: hello
}
