// SPDX-License-Identifier: MIT

// Roles: who may ask what. The section `control` of the configuration gives
// them to users and groups; the kernel says who a client is.

package control

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"reflexd/agent/account"
	"reflexd/config"
)

// Role is what a client may do. Each role from Read on includes those before it.
type Role uint8

// The roles.
const (
	None Role = iota
	// Bridge is that of a program that connects the agent to a network: it
	// reaches what `mqtt` exposes. Those of the group have it beside any other
	// role, and root and our own user.
	Bridge
	Read  // status, get, watch, why, rules
	Act   // set, emit, enable, …
	Admin // everything, and nothing is masked
)

// String returns the role as the configuration names it.
func (r Role) String() string { return [...]string{"no role", "bridge", "read", "act", "admin"}[r] }

// Peer is the process at the other end, as it was when it connected.
type Peer struct {
	Pid      int32
	Uid, Gid uint32
	Groups   []uint32 // supplementary ones
}

// peerOf returns who connected fd.
func peerOf(fd int) (Peer, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Peer{}, os.NewSyscallError("getsockopt SO_PEERCRED", err)
	}
	groups, err := peerGroups(fd)
	return Peer{cred.Pid, cred.Uid, cred.Gid, groups}, os.NewSyscallError("getsockopt SO_PEERGROUPS", err)
}

// peerGroups returns the supplementary groups of the peer (Linux 4.13). With
// ERANGE, the kernel says how much room they need.
func peerGroups(fd int) ([]uint32, error) {
	groups := make([]uint32, 32)
	for {
		size := uint32(len(groups)) * 4
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		const most = 65536 // NGROUPS_MAX
		switch n := int(size) / 4; {
		case errno == 0:
			return groups[:n], nil
		case errno == unix.ERANGE && n > len(groups) && n <= most:
			groups = make([]uint32, n)
		default:
			return nil, errno
		}
	}
}

// Policy is the section `control`. Its zero value lets root and the agent's own
// user in, and nobody else.
type Policy struct {
	grants []*grant
	at     config.Pos
}

// grant gives a role to a user or a group.
type grant struct {
	user, group, uid, gid string
	at                    config.Pos
	whole                 bool // it was read without complaint
	may                   string

	id      uint32 // of the user or group, once resolved
	isGroup bool
}

// Section returns the field that reads p.
func (p *Policy) Section() config.Field {
	allow := config.ListOf(&p.grants, func(g **grant) config.Value {
		*g = &grant{}
		return (*g).value()
	})
	return config.Field{Name: "control", Doc: "the control socket", Value: config.At(&p.at, config.Object(
		config.Field{Name: "allow", Required: true, Value: allow,
			Doc: "who may use it besides root and the agent's own user, who may do everything"}))}
}

func (g *grant) value() config.Value {
	return config.Whole(&g.whole, config.At(&g.at, config.Object(
		config.Field{Name: "user", Doc: "a user, by name", Value: config.Word(&g.user, "the name of a user")},
		config.Field{Name: "group", Doc: "a group, by name; its members by any of their groups", Value: config.Word(&g.group, "the name of a group")},
		config.Field{Name: "uid", Doc: "a user, by number", Value: config.Parsed(&g.uid, "the number of a user", parseID)},
		config.Field{Name: "gid", Doc: "a group, by number", Value: config.Parsed(&g.gid, "the number of a group", parseID)},
		config.Field{Name: "may", Required: true, Value: config.OneOf(&g.may, Read.String(), Act.String(), Admin.String()),
			Doc: "read: status, get, watch, why, record, rules; act: also set, pulse, blink, emit, enable, disable, trigger, cancel; admin: also reload, and keys unmasked in watch"},
	)))
}

func parseID(s string) (string, error) {
	if n, err := strconv.ParseUint(s, 10, 32); err != nil || uint32(n) == ^uint32(0) {
		return "", fmt.Errorf("expected a number from 0 to 4294967294, found %q", s)
	}
	return s, nil
}

// GrantBridge gives the role bridge to a group. Without a place, nobody asked
// for it, and it need not exist.
func (p *Policy) GrantBridge(group string, at config.Pos) {
	g := &grant{group: group, at: at, whole: true, may: Bridge.String()}
	if at.Line == 0 && g.resolve() != nil {
		return
	}
	p.grants = append(p.grants, g)
}

// Bridges reports whether a peer has the role bridge, whatever others it has.
func (p *Policy) Bridges(peer *Peer) bool {
	return trusted(peer) || slices.ContainsFunc(p.grants, func(g *grant) bool { return roles[g.may] == Bridge && g.means(peer) })
}

// Resolve finds the users and groups. It reads files and may block.
func (p *Policy) Resolve(ps *config.Problems) {
	for _, g := range p.grants {
		if !g.whole {
			continue
		}
		var named []string
		for _, s := range []string{g.user, g.group, g.uid, g.gid} {
			if s != "" {
				named = append(named, s)
			}
		}
		if len(named) != 1 {
			ps.Errorf(g.at, "expected one of the keys user, group, uid and gid, found %d", len(named))
			continue
		}
		if err := g.resolve(); err != nil {
			ps.Errorf(g.at, "%v", err)
		}
	}
}

func (g *grant) resolve() error {
	found, err := account.Find("", g.user, g.group)
	g.isGroup = g.group != "" || g.gid != ""
	switch number, _ := strconv.ParseUint(g.uid+g.gid, 10, 32); {
	case g.uid != "" || g.gid != "":
		g.id = uint32(number)
	case g.isGroup:
		g.id = found.Gid
	default:
		g.id = found.Uid
	}
	return err
}

// Of returns the role of a peer: the highest that is granted to it.
func (p *Policy) Of(peer *Peer) Role {
	if trusted(peer) {
		return Admin
	}
	role := None
	for _, g := range p.grants {
		if g.means(peer) {
			role = max(role, roles[g.may])
		}
	}
	return role
}

// means reports whether the grant is for the peer.
func (g *grant) means(peer *Peer) bool {
	return !g.isGroup && peer.Uid == g.id || g.isGroup && (peer.Gid == g.id || slices.Contains(peer.Groups, g.id))
}

// roles are the roles by the words that grant them.
var roles = map[string]Role{"bridge": Bridge, "read": Read, "act": Act, "admin": Admin}

// trusted reports whether the peer is root or our own user.
func trusted(peer *Peer) bool { return peer.Uid == 0 || int(peer.Uid) == os.Geteuid() }

// access returns the mode of the socket and its group, -1 to leave that: closed
// to all but us; open to a group, if that is all whom p lets in; or open to
// all, of whom accept then sends most away.
func (p *Policy) access() (mode uint32, gid int) {
	if len(p.grants) == 0 {
		return 0o600, -1
	}
	first := p.grants[0]
	for _, g := range p.grants {
		if !g.isGroup || g.id != first.id {
			return 0o666, -1
		}
	}
	return 0o660, int(first.id)
}
