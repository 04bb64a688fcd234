// SPDX-License-Identifier: MIT

// Families of generic netlink: their numbers, and those of their groups, which
// are others whenever the module is loaded. The family nlctrl knows them:
// Documentation/networking/generic_netlink.rst, include/uapi/linux/genetlink.h.

package netlink

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/config"
	"reflexd/sources/nl"
)

// notifyGroup is the group of nlctrl that receives the families that appear and disappear.
const notifyGroup = unix.GENL_ID_CTRL

// genericHeaderSize is that of struct genlmsghdr.
const genericHeaderSize = 4

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

// answerPatience is how long nlctrl may take to answer.
const answerPatience = 10 * time.Second

// findFamily asks nlctrl, on a socket of its own. It may block: the kernel may
// look for a module that brings the family.
func findFamily(name string) (*family, error) {
	f, err := askForFamily(name)
	if errors.Is(err, unix.ENOENT) {
		err = errNoFamily
	}
	if err != nil {
		return nil, fmt.Errorf("find family %s: %w", name, err)
	}
	return f, nil
}

func askForFamily(name string) (*family, error) {
	s, err := nl.Open(nl.Config{Protocol: unix.NETLINK_GENERIC, Timeout: answerPatience})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for m, err := range s.Ask(familyRequest(name)) {
		if err != nil {
			return nil, err
		}
		if f, ok := parseFamily(m); ok {
			return f, nil
		}
	}
	return nil, errors.New("the answer is invalid")
}

func familyRequest(name string) nl.Message {
	body := []byte{unix.CTRL_CMD_GETFAMILY, 1, 0, 0}
	body = nl.AppendAttr(body, unix.CTRL_ATTR_FAMILY_NAME, append([]byte(name), 0))
	return nl.Message{Type: unix.GENL_ID_CTRL, Flags: unix.NLM_F_REQUEST, Body: body}
}

// parseFamily reads what nlctrl says of a family.
func parseFamily(m nl.Message) (*family, bool) {
	if m.Type != unix.GENL_ID_CTRL || len(m.Body) < genericHeaderSize {
		return nil, false
	}
	f := &family{}
	for a, err := range nl.Attributes(m.Body[genericHeaderSize:]).Each {
		if err == nl.ErrLength {
			return nil, false
		}
		f.take(a)
	}
	return f, f.number != 0
}

// take takes down one attribute of a family.
func (f *family) take(a nl.Attr) {
	n, _ := a.Int()
	switch a.Type {
	case unix.CTRL_ATTR_FAMILY_ID:
		f.number = uint16(n)
	case unix.CTRL_ATTR_HDRSIZE:
		f.header = int(n)
	case unix.CTRL_ATTR_MCAST_GROUPS:
		for nested, err := range nl.Attributes(a.Value).Each {
			if err == nil {
				f.groups = append(f.groups, parseGroupID(nested.Value))
			}
		}
	}
}

func parseGroupID(b []byte) (g groupID) {
	for a := range nl.Attributes(b).Each {
		switch a.Type {
		case unix.CTRL_ATTR_MCAST_GRP_NAME:
			g.name = printable(a.Value)
		case unix.CTRL_ATTR_MCAST_GRP_ID:
			n, _ := a.Int()
			g.number = uint32(n)
		}
	}
	return g
}

// joinAll makes the socket a member of the groups of the family.
func (f *family) joinAll(s *nl.Socket, groups []group) error {
	var known []string
	for _, g := range f.groups {
		known = append(known, g.name)
	}
	for _, g := range groups {
		i := slices.Index(known, g.name)
		if i < 0 {
			return fmt.Errorf("join group %s: the family has no such group%s", g.name, config.Suggest(g.name, known))
		}
		if err := s.Join(f.groups[i].number); err != nil {
			return fmt.Errorf("group %s: %w", g.name, err)
		}
	}
	return nil
}

// news is what nlctrl sends to its notify group.
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
	for a := range nl.Attributes(payload[genericHeaderSize:]).Each {
		if a.Type == unix.CTRL_ATTR_FAMILY_NAME {
			n.name = printable(a.Value)
		}
	}
	return n, n.name != ""
}
