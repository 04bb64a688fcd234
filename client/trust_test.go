// SPDX-License-Identifier: MIT

package client

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestTheFolderThatRootMadeForAnAgentIsBelieved(t *testing.T) {
	root := t.TempDir()
	own := filepath.Join(root, "reflexd")
	if err := errors.Join(os.Mkdir(own, 0o755), os.Chown(own, 54321, -1), os.Chmod(root, 0o755)); err != nil {
		t.Fatal(err)
	}
	if !isOwner(own, 54321) || isOwner(own, 54322) || isOwner(own+"x", 54321) {
		t.Error("not its owner's alone")
	}
	if err := os.Chmod(root, 0o1777); err != nil {
		t.Fatal(err)
	}
	if isOwner(own, 54321) {
		t.Error("believed where anybody could have made it")
	}
}
