// SPDX-License-Identifier: MIT

//go:build lab

// Drives that lie: filesystems of every type with damaged superblocks. Whatever
// the kernel makes of them, each has an outcome that rules see, nothing of them
// is left when they are pulled, and the board lives.

package trial

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"reflexd/lab"
)

const mutantRules = `
automount: true
rules:
  - {name: outcome, when: {mount: "*", is: [mounted, failed, ignored]}, mode: parallel,
     do: {log: "outcome of ${DEVNAME}: ${REFLEXD_EVENT} ${FSTYPE:-?} ${WHY:-}${REASON:-}"}}
  - {name: mark, when: {event: mark}, do: {log: mark}}
`

// whole is what a drive is before it is damaged: as many partitions as a boot
// record can hold.
func whole(t *testing.T, kinds ...string) string {
	t.Helper()
	var volumes []lab.Volume
	for _, kind := range kinds {
		v := lab.Volume{Type: kind, Label: strings.ToUpper(kind)}
		switch kind {
		case "vfat", "ext2", "ext4", "btrfs", "iso9660", "squashfs":
			v.Files = map[string][]byte{"dir/a file": []byte("there")}
		}
		volumes = append(volumes, v)
	}
	image := filepath.Join(t.TempDir(), "stick.img")
	if err := lab.StickImage(t.Context(), image, volumes...); err != nil {
		t.Fatal(err)
	}
	return image
}

// damage changes bytes of each partition where the kernel looks first.
func damage(t *testing.T, image string, r *rand.Rand) {
	t.Helper()
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var record [512]byte
	if _, err := f.ReadAt(record[:], 0); err != nil {
		t.Fatal(err)
	}
	for entry := 446; entry < 510; entry += 16 {
		at := int64(uint32(record[entry+8])|uint32(record[entry+9])<<8|uint32(record[entry+10])<<16|uint32(record[entry+11])<<24) * 512
		for range 1 + r.IntN(16) {
			if _, err := f.WriteAt([]byte{byte(r.Uint32())}, at+damaged(r)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// damaged returns a place in a filesystem: in a superblock, or in what such
// blocks point to.
func damaged(r *rand.Rand) int64 {
	if superblocks := []int64{0, 1 << 10, 32 << 10, 64 << 10}; r.IntN(4) > 0 {
		return superblocks[r.IntN(len(superblocks))] + r.Int64N(1<<10)
	}
	return r.Int64N(4 << 20)
}

func TestMountDamagedDrives(t *testing.T) {
	wants(t, lab.Virt)
	rounds, seed := 2, rand.Uint64()
	if given, err := strconv.Atoi(os.Getenv("REFLEXD_MUTANTS")); err == nil {
		rounds = max(1, given/12) // three drives of four partitions
	}
	if given, err := strconv.ParseUint(os.Getenv("REFLEXD_SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("REFLEXD_SEED=%d damages the same bytes", seed)
	// Of its own: it may not survive.
	b, err := boot(lab.Config{Machine: lab.Virt})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	a := b.start(t, mutantRules)
	sticks := []string{
		whole(t, "vfat", "exfat", "ext2", "ext4"),
		whole(t, "btrfs", "f2fs", "xfs", "udf"),
		whole(t, "iso9660", "squashfs", "ntfs", "vfat"),
	}
	outcomes := map[string]int{}
	for round := range rounds {
		for i, stick := range sticks {
			image := filepath.Join(t.TempDir(), "damaged.img")
			if err := copyFile(image, stick); err != nil {
				t.Fatal(err)
			}
			damage(t, image, rand.New(rand.NewPCG(seed, uint64(round*len(sticks)+i))))
			b.tryDamaged(t, a, image, outcomes)
			if t.Failed() {
				t.Fatalf("round %d, stick %d", round, i)
			}
		}
	}
	t.Log(outcomes)
	if log := b.Console(); strings.Contains(log, "Oops") {
		t.Errorf("the kernel complains:\n%s", log)
	}
}

// tryDamaged plugs a drive in, reads what of it is mounted, and pulls it out.
func (b *board) tryDamaged(t *testing.T, a *agent, image string, outcomes map[string]int) {
	t.Helper()
	if err := b.PlugStick(t.Context(), "damaged", image); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for len(seen) < 4 {
		line := a.expect("outcome of /dev/sd")
		found := regexp.MustCompile(`outcome of (/dev/sd[a-z][0-9]): mount .* (mounted|failed|ignored) (\S+)`).FindStringSubmatch(line)
		if found == nil {
			t.Fatal(line)
		}
		seen[found[1]] = true
		outcomes[found[2]+" "+found[3]]++
	}
	// What is mounted may have loops, or no end.
	b.shell(t, `for d in /media/*; do timeout 5 ls -lR "$d"; timeout 5 cat "$d"/*/*; done >/dev/null 2>&1; true`)
	b.unplug(t, "damaged")
	b.nothingMounted(t)
	a.verb("emit", "mark")
	a.expect("msg=mark")
}

func copyFile(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, b, 0o644); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	return nil
}
