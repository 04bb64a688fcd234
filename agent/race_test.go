// SPDX-License-Identifier: MIT

//go:build race

package agent

// raced says that the race detector runs, under which a sync.Pool now and then
// forgets what it holds.
const raced = true
