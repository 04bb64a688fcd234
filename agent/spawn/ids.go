// SPDX-License-Identifier: MIT

// Numbers of users and groups, for those who start no program.

package spawn

// Ids returns the numbers of a user and a group, each given by name or number.
// Without a group it is the user's primary one. It reads files and may block.
func Ids(user, group string) (uid, gid uint32, err error) {
	a, err := lookup(user, group)
	return a.uid, a.gid, err
}
