// SPDX-License-Identifier: MIT

// Environ: what programs inherit, and what no event may set.

package action

import (
	"fmt"
	"slices"
	"strings"

	"reflexd/sources"
)

// DefaultPath is the PATH of programs if we were started without one.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Inherited returns the part of our own environment that programs get: all
// but what service managers mean for us alone, and what the shell that started
// us says of itself: where it is and was, how deep it is nested, what it runs.
func Inherited(environ []string) []string {
	ours := []string{"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID",
		"LISTEN_FDNAMES", "INVOCATION_ID", "JOURNAL_STREAM", "MAINPID", "MANAGERPID",
		"PWD", "OLDPWD", "SHLVL", "_"}
	var env []string
	hasPath := false
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if slices.Contains(ours, name) {
			continue
		}
		hasPath = hasPath || name == "PATH" && value != ""
		env = append(env, entry)
	}
	if !hasPath {
		env = append(env, "PATH="+DefaultPath)
	}
	return env
}

// Passed are the fields of a rule's events that its programs find in their
// environment: those that are declared for the triggers, so that the reference
// lists them, and those that the rule's texts and scripts name. All others have
// names that somebody outside chose (a driver, an udev rule, whoever may send
// events), and no list of names that change what programs do is ever complete.
//
// Of the values of sources, such as variables, they find those that the rule
// names. Nobody outside chooses their names, but a program under another user
// need not see them all, and reading a line may cost a millisecond.
type Passed struct {
	declared [][]string
	named    []string
	given    []given
	open     bool
	programs bool // the rule runs some
	asks     bool // the rule names fields that every event has
	passes   map[string]bool
}

// filter returns the fields of events that programs find, except where a value of a
// source has that name. The rule is complete by then.
func (p *Passed) filter() map[string]bool {
	switch {
	case p == nil:
		return nil
	case p.passes != nil:
		return p.passes
	}
	p.passes = map[string]bool{}
	for _, names := range slices.Concat(p.declared, [][]string{p.named, everyEvent, failureFields}) {
		for _, name := range names {
			p.passes[name] = !p.gives(name)
		}
	}
	return p.passes
}

// Asks reports whether the rule's actions look at the fields that every event
// has: programs find them in their environment.
func (p *Passed) Asks() bool { return p.programs || p.asks }

// AnyField tells that the events can have fields that nobody declares.
func (p *Passed) AnyField() { p.open = true }

func (p *Passed) any() bool { return p != nil && p.open }

// Declare adds the fields that are declared for a trigger.
func (p *Passed) Declare(fields []string) { p.declared = append(p.declared, fields) }

// name adds a field that the rule names, unless no field may have that name.
func (p *Passed) name(field string) {
	if p != nil && !p.has(field) && !dangerous(field) {
		p.named = append(p.named, field)
	}
}

// has reports whether programs find a field of that name.
func (p *Passed) has(field string) bool {
	if p == nil {
		return false
	}
	for _, fields := range p.declared {
		if slices.Contains(fields, field) {
			return true
		}
	}
	return slices.Contains(p.named, field) || p.gives(field) || slices.Contains(everyEvent, field) || slices.Contains(failureFields, field)
}

// dangerous reports whether a variable of that name changes what a program
// does rather than telling it something. Event fields come from devices and
// from whoever may send events, so none of them gets such a name.
func dangerous(name string) bool {
	switch name {
	case "PATH", "IFS", "ENV", "BASH_ENV", "SHELLOPTS", "BASHOPTS", "PS4", "CDPATH", "GLOBIGNORE",
		"PROMPT_COMMAND", "HOME", "SHELL", "USER", "LOGNAME", "PWD", "OLDPWD", "TMPDIR", "TMP", "TEMP",
		"LOCPATH", "NLSPATH", "LANGUAGE", "LANG", "TZ", "TERM", "TERMINFO", "TERMCAP", "HOSTALIASES",
		"RESOLV_HOST_CONF", "RES_OPTIONS", "GETCONF_DIR", "EDITOR", "VISUAL", "PAGER", "BROWSER",
		"CLASSPATH", "NODE_OPTIONS", "NODE_PATH", "RUBYOPT", "RUBYLIB", "JAVA_TOOL_OPTIONS", "DISPLAY",
		"MAIL", "OPENSSL_CONF", "LESSOPEN", "LESSCLOSE":
		return true
	}
	for _, p := range dangerousPrefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return !plainName(name)
}

var dangerousPrefixes = [...]string{"LD_", "DYLD_", "GLIBC_", "GCONV_", "MALLOC_", "BASH_", "LC_", "PYTHON", "PERL", "GIT_",
	"SSL_", "LUA_", "XDG_", "DBUS_", "SYSTEMD_", "SUDO_", "SSH_", "ZDOTDIR"}

// CheckField returns why an event that is sent on purpose cannot have a field
// of that name, nil if it can.
func CheckField(name string) error {
	switch upper := strings.ToUpper(name); {
	case sources.ValidField(name):
	case sources.ValidField(upper):
		return fmt.Errorf("%q cannot name an event field: write it in upper case, %s", name, upper)
	default:
		return fmt.Errorf("%q cannot name an event field: upper-case letters, digits and _", name)
	}
	switch {
	case strings.HasPrefix(name, "REFLEXD_"):
		return fmt.Errorf("the field %s: names that begin with REFLEXD_ are reserved", name)
	case dangerous(name):
		return fmt.Errorf("the field %s: an environment variable of that name changes what programs do, so they do not receive it; choose another name", name)
	}
	return nil
}

// plainName reports whether every shell takes name as a variable.
func plainName(name string) bool {
	for i, r := range name {
		letter := r == '_' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}
