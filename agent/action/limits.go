// SPDX-License-Identifier: MIT

// What a rule lets a program have of the machine.

package action

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"reflexd/agent/spawn"
	"reflexd/config"
)

// limitFields are fields of run and shell.
func limitFields(l *spawn.Limits) []config.Field {
	return []config.Field{
		{Name: "memory", Also: "memory_limit mem ram", Doc: "maximum memory, such as `64M`: for it and all that it starts if it has its own cgroup, else for each process",
			Value: config.Parsed(&l.Memory, "size such as 64M", parseMemory)},
		{Name: "processes", Also: "pids tasks nproc", Doc: "maximum number of its processes and threads; needs its own cgroup",
			Value: config.Int(&l.Processes, 1, math.MaxInt32)},
		{Name: "nice", Also: "niceness", Doc: "nice value: 19 is the lowest priority; below 0 needs root", Value: config.Parsed(&l.Nice, "an integer from -20 to 19", parseNice)},
		{Name: "umask", Doc: "permissions that its new files do not get, in octal: `022`", Value: config.Parsed(&l.Umask, "an octal number such as 022", parseUmask)},
		{Name: "no_new_privs", Also: "nonewprivs nonewprivileges", Doc: "it gains no privileges from programs such as sudo and ping", Default: "off",
			Value: config.Bool(&l.NoNewPrivs)},
	}
}

// parseMemory reads a number of bytes with a unit.
func parseMemory(s string) (int64, error) {
	const least = 1 << 20
	shift, ok := map[string]uint{"K": 10, "M": 20, "G": 30}[strings.TrimLeft(s, "0123456789")]
	n, err := strconv.ParseInt(strings.TrimRight(s, "KMG"), 10, 32)
	switch {
	case err != nil || !ok:
		return 0, fmt.Errorf("expected a size with its unit, K, M or G, such as 64M, found %q", s)
	case n<<shift < least:
		return 0, fmt.Errorf("%s is too little for any program: at least 1M", s)
	}
	return n << shift, nil
}

func parseNice(s string) (*int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < -20 || n > 19 {
		return nil, fmt.Errorf("expected an integer from -20 to 19, found %q", s)
	}
	return &n, nil
}

func parseUmask(s string) (*int, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o777 {
		return nil, fmt.Errorf("expected up to three octal digits, such as 022, found %q", s)
	}
	mask := int(n)
	return &mask, nil
}
