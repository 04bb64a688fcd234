// SPDX-License-Identifier: MIT

package blkid_test

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"reflexd/blkid"
)

// What a device holds whose first page ends as swap space does.
func ExampleProbe() {
	const page = 4096
	device := make([]byte, 1<<20)
	copy(device[page-10:], "SWAPSPACE2")
	binary.LittleEndian.PutUint32(device[1024:], 1)                    // version
	binary.LittleEndian.PutUint32(device[1028:], uint32(1<<20/page)-1) // last page
	copy(device[1052:], "scratch")
	content, err := blkid.Probe(bytes.NewReader(device), int64(len(device)))
	fmt.Println(content.Type, content.Label, content.Usage, err)
	// Output:
	// swap scratch other <nil>
}
