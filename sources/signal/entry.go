// SPDX-License-Identifier: MIT

// Entry: the program's first instructions, which block the signals before the
// Go runtime reads the mask, and make room for descriptors while there is one
// thread.

package signal

// The linker's option -E makes reflexd_entry, in entry_*.s, the first code of the
// process. It blocks the signals of entryMask and goes on to Go's own entry, so
// that Inherit finds them blocked. A program that was linked without the option,
// as by a plain `go build`, begins at Go's entry, and Inherit starts it again.
//
// Verbs that read no signals have them blocked too, which changes nothing: the
// runtime's handler ignores these.
//
// It also has descriptor 255 opened, for a moment, so that the kernel's table of
// the process has room for as many. When a table grows and threads share it, the
// kernel waits until no processor can still use the old one, 5 ms and more
// (expand_fdtable in fs/file.c). What the calls return does not matter: the table
// then grows when it must.

// entryMask is takenSet, as the kernel reads it.
var entryMask uint64 = 0xFFFFFFFC_38002A00
