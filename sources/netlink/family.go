// SPDX-License-Identifier: MIT

// Families of generic netlink: their numbers, and those of their groups, which
// are others whenever the module is loaded. The family nlctrl knows them:
// Documentation/networking/generic_netlink.rst, include/uapi/linux/genetlink.h.

package netlink

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"reflexd/config"
)

// notifyGroup is the group of nlctrl that hears of families that come and go.
const notifyGroup = unix.GENL_ID_CTRL

// errNoFamily says that nobody has registered the family.
var errNoFamily = errors.New("no such family: is its module loaded?")

// family is a registered family.
type family struct {
	number uint16 // the type of its messages
	header int    // bytes of its own header, before the attributes
	groups []groupID
}

type groupID struct {
	name   string
	number uint32
}

// findFamily asks nlctrl, on a socket of its own. It may block: the kernel may
// look for a module that brings the family.
func findFamily(name string) (*family, error) {
	f, err := askForFamily(name)
	if err != nil {
		return nil, fmt.Errorf("look for family %s: %w", name, err)
	}
	return f, nil
}

func askForFamily(name string) (*family, error) {
	const enough = 64 << 10 // a datagram of the kernel's is 32 KiB at most
	o, err := openSocket(unix.NETLINK_GENERIC, 0, enough)
	if err != nil {
		return nil, err
	}
	defer unix.Close(o.fd)
	if err := transmit(o.fd, familyRequest(name), 0, 0); err != nil {
		return nil, err
	}
	// The answer is there as soon as the request is taken.
	r := receiver{}
	r.fit(enough)
	b, who, err := r.receive(o.fd)
	switch {
	case err != nil:
		return nil, err
	case who.port != 0:
		return nil, errors.New("the answer is not the kernel's")
	}
	return parseFamily(b)
}

func familyRequest(name string) []byte {
	payload := []byte{unix.CTRL_CMD_GETFAMILY, 1, 0, 0}
	payload = appendAttr(payload, unix.CTRL_ATTR_FAMILY_NAME, append([]byte(name), 0))
	h := header{kind: unix.GENL_ID_CTRL, flags: unix.NLM_F_REQUEST, seq: 1}
	return append(h.append(nil, len(payload)), payload...)
}

var errMalformed = errors.New("the answer makes no sense")

// parseFamily reads the answer to familyRequest.
func parseFamily(b []byte) (*family, error) {
	f := &family{}
	err := errMalformed
	eachMessage(b, func(h header, payload []byte) {
		switch h.kind {
		case unix.NLMSG_ERROR:
			if a, sound := parseAnswer(h, payload); sound && a.errno == unix.ENOENT {
				err = errNoFamily
			} else if sound && a.errno != 0 {
				err = a.errno
			}
		case unix.GENL_ID_CTRL:
			if len(payload) >= genericHeaderSize && eachAttr(payload[genericHeaderSize:], f.take) && f.number != 0 {
				err = nil
			}
		}
	})
	return f, err
}

// take takes down one attribute of a family.
func (f *family) take(a attr) {
	n, _ := a.integer()
	switch a.number {
	case unix.CTRL_ATTR_FAMILY_ID:
		f.number = uint16(n)
	case unix.CTRL_ATTR_HDRSIZE:
		f.header = int(n)
	case unix.CTRL_ATTR_MCAST_GROUPS:
		eachAttr(a.value, func(nested attr) {
			var g groupID
			eachAttr(nested.value, func(a attr) {
				n, _ := a.integer()
				switch a.number {
				case unix.CTRL_ATTR_MCAST_GRP_NAME:
					g.name = printable(a.value)
				case unix.CTRL_ATTR_MCAST_GRP_ID:
					g.number = uint32(n)
				}
			})
			f.groups = append(f.groups, g)
		})
	}
}

// joinAll makes the socket a member of the groups of the family.
func (f *family) joinAll(fd int, groups []group) error {
	var known []string
	for _, g := range f.groups {
		known = append(known, g.name)
	}
	for _, g := range groups {
		i := slices.Index(known, g.name)
		if i < 0 {
			return fmt.Errorf("join group %s: the family has no such group%s", g.name, config.Suggest(g.name, known))
		}
		if err := join(fd, f.groups[i].number); err != nil {
			return fmt.Errorf("group %s: %w", g.name, err)
		}
	}
	return nil
}

// news is what nlctrl tells its notify group.
type news struct {
	name string
	gone bool
}

// parseNews reads a message of nlctrl's about a family; ok is false if it is
// about something else.
func parseNews(payload []byte) (n news, ok bool) {
	if len(payload) < genericHeaderSize {
		return news{}, false
	}
	switch payload[0] {
	case unix.CTRL_CMD_NEWFAMILY:
	case unix.CTRL_CMD_DELFAMILY:
		n.gone = true
	default:
		return news{}, false
	}
	eachAttr(payload[genericHeaderSize:], func(a attr) {
		if a.number == unix.CTRL_ATTR_FAMILY_NAME {
			n.name = printable(a.value)
		}
	})
	return n, n.name != ""
}
