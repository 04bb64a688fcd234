// SPDX-License-Identifier: MIT

//go:build !race

package agent

const raced = false
