// SPDX-License-Identifier: MIT

// The sockets: one that listens, and one for as long as it takes to ask which
// links there are.

package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// groups are what is listened to.
const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR

// receiveBuffer is what we ask the kernel for. Virtual machines and containers
// make links by the hundred at a time.
const receiveBuffer = 2 << 20

// maxDatagram is larger than any: dumps come in pages of 32 KiB at most
// (NLMSG_GOODSIZE and what fits into our buffer).
const maxDatagram = 64 << 10

// patience is how long the kernel may take for a page of a dump, in seconds.
// It waits for whoever changes the network.
const patience = 10

// tries is how often a dump is begun again because the network changed in
// between.
const tries = 8

var errChanged = errors.New("the links changed all the while")

func openSocket(flags int, groups uint32) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|flags, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, fmt.Errorf("open rtnetlink socket: %w", err)
	}
	if groups != 0 && unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups})
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("bind rtnetlink socket: %w", err)
	}
	return fd, nil
}

// receive reads one datagram into buf. The port is 0 for the kernel alone.
func receive(fd int, buf []byte) (b []byte, port uint32, err error) {
	n, from, err := unix.Recvfrom(fd, buf, unix.MSG_TRUNC)
	switch {
	case err != nil:
		return nil, 0, err
	case n > len(buf):
		return nil, 0, unix.EMSGSIZE
	}
	sender, ok := from.(*unix.SockaddrNetlink)
	if !ok {
		return nil, 0, unix.EPROTO
	}
	return buf[:n], sender.Pid, nil
}

// snapshot asks which links and addresses there are. It blocks while others
// change the network.
func snapshot() (table, error) {
	fd, err := openSocket(0, 0)
	if err != nil {
		return table{}, err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: patience}); err != nil {
		return table{}, fmt.Errorf("set timeout of rtnetlink socket: %w", err)
	}
	for try := range uint32(tries) {
		t := newTable()
		err = dump(fd, unix.RTM_GETLINK, 2*try+1, &t)
		if err == nil {
			err = dump(fd, unix.RTM_GETADDR, 2*try+2, &t)
		}
		if !errors.Is(err, errChanged) {
			return t, err
		}
	}
	return table{}, err
}

// dump asks for all that there is of a kind and fills it into t.
func dump(fd int, kind uint16, seq uint32, t *table) error {
	const size = headerSize + linkSize // which is no shorter than an ifaddrmsg
	request := make([]byte, size)
	binary.NativeEndian.PutUint32(request, size)
	binary.NativeEndian.PutUint16(request[4:], kind)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(request[8:], seq)
	if err := uninterrupted(func() error { return unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}) }); err != nil {
		return fmt.Errorf("ask for links: %w", err)
	}
	buf := make([]byte, maxDatagram)
	interrupted := false
	for {
		var b []byte
		var port uint32
		err := uninterrupted(func() (err error) {
			b, port, err = receive(fd, buf)
			return err
		})
		if err != nil {
			return fmt.Errorf("hear of links: %w", os.NewSyscallError("recvfrom", err))
		}
		if port != 0 {
			continue
		}
		for len(b) > 0 {
			var m message
			if m, b, err = next(b); err != nil {
				return fmt.Errorf("hear of links: %w", err)
			}
			if m.seq != seq {
				continue // of a dump that was given up
			}
			interrupted = interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
			switch m.kind {
			case unix.NLMSG_DONE:
				if interrupted {
					return errChanged
				}
				return nil
			case unix.NLMSG_ERROR:
				return fmt.Errorf("ask for links: %w", errorOf(m.body))
			}
			if _, err := t.take(&m); err != nil {
				return fmt.Errorf("hear of links: %w", err)
			}
		}
	}
}

// errorOf returns the error in the body of NLMSG_ERROR.
func errorOf(body []byte) error {
	if len(body) < 4 {
		return errLength
	}
	return unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
}

// uninterrupted makes a call again that a signal interrupted.
func uninterrupted(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}
