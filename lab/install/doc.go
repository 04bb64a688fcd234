// SPDX-License-Identifier: MIT

// Package install holds the tests of what is installed: packages and archives, in systems that are made for it.
package install
