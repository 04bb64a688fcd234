// SPDX-License-Identifier: MIT

// Standard output that remembers what could not be written: a command whose
// output is lost has not done what it was asked for.

package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

// output is standard output. Its methods may be called from any goroutine.
type output struct {
	*os.File
	failure atomic.Pointer[error] // the first one
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.File.Write(b)
	if err != nil {
		o.failure.CompareAndSwap(nil, &err)
	}
	return n, err
}

// WriteString is there lest File's be called.
func (o *output) WriteString(s string) (int, error) { return o.Write([]byte(s)) }

// verdict returns the exit code of a program that wrote to o and would end
// with code.
func (o *output) verdict(code int, stderr io.Writer) int {
	if err := o.failure.Load(); err != nil && code == done {
		fmt.Fprintf(stderr, "reflexd: output is lost: %v\n", *err)
		return failed
	}
	return code
}
