// SPDX-License-Identifier: MIT

// Entry: the program's first instructions, which block the signals before the
// Go runtime reads the mask.

package signal

// The linker's option -E makes reflexd_entry, in entry_*.s, the first code of the
// process. It blocks the signals of entryMask and goes on to Go's own entry, so
// that Inherit finds them blocked. A program that was linked without the option,
// as by a plain `go build`, begins at Go's entry, and Inherit starts it again.
//
// Verbs that read no signals have them blocked too, which changes nothing: the
// runtime's handler ignores these.

// entryMask is takenSet, as the kernel reads it.
var entryMask uint64 = 0xFFFFFFFC_38002A00
