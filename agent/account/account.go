// SPDX-License-Identifier: MIT

// Package account finds users and groups in /etc/passwd and /etc/group.
//
// Not through os/user, which does not know the shell.
package account

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"reflexd/config"
)

// Account is whom a program is to run as. Its zero value changes nothing.
type Account struct {
	User, Group string // as asked for, for messages
	Uid, Gid    uint32
	Groups      []uint32 // supplementary ones, Gid among them
	SetUser     bool     // setgroups and setuid are needed
	SetGroup    bool     // setgid is needed
	Env         []string // HOME and so on; nil without a user
}

// Find returns the user and the group, each by name or number; either may be
// empty. root is where / is: "" but for tests. It reads files and may block.
func Find(root, user, group string) (Account, error) {
	if user == "" && group == "" {
		return Account{}, nil // as most programs
	}
	etc := filepath.Join(root, "/etc")
	passwd, err := os.ReadFile(filepath.Join(etc, "passwd"))
	if err != nil && user != "" {
		return Account{}, fmt.Errorf("user %s: %w", user, err)
	}
	groups, err := os.ReadFile(filepath.Join(etc, "group"))
	if err != nil && group != "" {
		return Account{}, fmt.Errorf("group %s: %w", group, err)
	}
	return resolve(user, group, passwd, groups)
}

// Known returns an error unless the user and the group, of which either may be
// empty, are known. It reads files and may block.
func Known(root, user, group string) error {
	_, err := Find(root, user, group)
	return err
}

// resolve finds user and group in the text of the two files.
func resolve(user, group string, passwd, groups []byte) (Account, error) {
	a := Account{User: user, Group: group}
	if user != "" {
		p, ok := findUser(passwd, user)
		if !ok {
			return a, fmt.Errorf("user %s: unknown%s", user, near(user, passwd))
		}
		a.Uid, a.Gid, a.Env = p.uid, p.gid, p.environment()
		a.SetUser, a.SetGroup = true, true
		a.Groups = memberships(groups, p.name)
	}
	if group != "" {
		gid, ok := findGroup(groups, group)
		if !ok {
			return a, fmt.Errorf("group %s: unknown%s", group, near(group, groups))
		}
		a.Gid, a.SetGroup = gid, true
	}
	if a.SetUser && !slices.Contains(a.Groups, a.Gid) {
		a.Groups = append([]uint32{a.Gid}, a.Groups...)
	}
	a.dropNeedless()
	return a, nil
}

// Step is what becoming the account is called in messages.
func (a *Account) Step() string {
	if a.User == "" {
		return "become group " + a.Group
	}
	return "become user " + a.User
}

// dropNeedless drops the calls that an agent without privileges could not
// make, where they would change nothing.
func (a *Account) dropNeedless() {
	if os.Geteuid() == 0 {
		return
	}
	if a.SetUser && int(a.Uid) == os.Geteuid() {
		a.SetUser = false
	}
	if int(a.Gid) == os.Getegid() {
		a.SetGroup = false
	}
}

// passwdEntry is one line of /etc/passwd.
type passwdEntry struct {
	name, home, shell string
	uid, gid          uint32
}

// environment returns what a login would set. XDG_RUNTIME_DIR is there while
// the user has a session: it leads to the sound server and the session's bus.
func (p *passwdEntry) environment() []string {
	env := []string{"HOME=" + p.home, "USER=" + p.name, "LOGNAME=" + p.name, "SHELL=" + p.shell}
	runtimeDir := fmt.Sprintf("/run/user/%d", p.uid)
	if info, err := os.Stat(runtimeDir); err == nil && info.IsDir() {
		env = append(env, "XDG_RUNTIME_DIR="+runtimeDir)
	}
	return env
}

// findUser finds the entry of a user by name or else by number: passwd(5).
func findUser(passwd []byte, user string) (found passwdEntry, ok bool) {
	for line := range bytes.Lines(passwd) {
		f := fields(line, 7)
		if f == nil {
			continue
		}
		uid, uidOK := id(f[2])
		gid, gidOK := id(f[3])
		if !uidOK || !gidOK {
			continue
		}
		p := passwdEntry{name: f[0], uid: uid, gid: gid, home: orElse(f[5], "/"), shell: orElse(f[6], "/bin/sh")}
		if p.name == user {
			return p, true
		}
		if !ok && f[2] == user {
			found, ok = p, true
		}
	}
	return found, ok
}

// findGroup finds a group by name or else by number, which need not be listed:
// group(5).
func findGroup(groups []byte, group string) (gid uint32, ok bool) {
	for line := range bytes.Lines(groups) {
		f := fields(line, 4)
		if f == nil || f[0] != group {
			continue
		}
		if gid, ok := id(f[2]); ok {
			return gid, true
		}
	}
	return id(group)
}

// near suggests a name of passwd(5) or group(5) that is nearly name.
func near(name string, table []byte) string {
	var names []string
	for line := range bytes.Lines(table) {
		known, _, _ := strings.Cut(string(line), ":")
		if known != name { // else its line is broken
			names = append(names, known)
		}
	}
	return config.Suggest(name, names)
}

// memberships returns the groups that list user as a member.
func memberships(groups []byte, user string) (gids []uint32) {
	for line := range bytes.Lines(groups) {
		f := fields(line, 4)
		if f == nil || !slices.Contains(strings.Split(f[3], ","), user) {
			continue
		}
		if gid, ok := id(f[2]); ok && !slices.Contains(gids, gid) {
			gids = append(gids, gid)
		}
	}
	return gids
}

// fields splits a line at colons; nil if there are not n fields, the first of
// them a name. (Lines of + and - belong to NIS.)
func fields(line []byte, n int) []string {
	f := strings.Split(strings.TrimSpace(string(line)), ":")
	if len(f) != n || f[0] == "" || strings.ContainsRune("+-#", rune(f[0][0])) {
		return nil
	}
	return f
}

// id parses a user's or group's number. 2³²-1 means "none" to the kernel.
func id(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && uint32(n) != ^uint32(0)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
