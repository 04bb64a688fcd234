// SPDX-License-Identifier: MIT

// Saved states: a board of each kind is booted once and its state kept in the cache, where the next boards start from.
// A kind is all that a boot depends on. So what a board has of its own must not be there at the boot: its files are
// written into memory of the guest's that its kernel leaves alone, the window, from where process 1 unpacks them.

package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"reflexd/lab/image"
	"reflexd/lab/wire"
)

// windowSize is how much memory from the window on is free.
const windowSize = 64 << 20

// statesKept is how many saved states stay in the cache, of some 110 MB each.
const statesKept = 6

// resumePatience is how long a board may take to go on from its state, on a busy host.
const resumePatience = 30 * time.Second

// A kind is what boards that can start from one state have in common.
type kind struct {
	config    Config
	args      []string
	initramfs *os.File
	state     string // the state's file
}

// resume starts a board from the state of its kind.
func resume(ctx context.Context, c Config, i *image.Image) (*Board, error) {
	k, err := newKind(ctx, c, i)
	if err != nil {
		return nil, err
	}
	defer k.initramfs.Close()
	state, err := k.open(ctx)
	if err != nil {
		return nil, err
	}
	defer state.Close()
	c.Patience = resumePatience
	args := append(slices.Clip(k.args), "-incoming", fmt.Sprintf("fd:%d", stateFD))
	b, err := start(ctx, c, args, []*os.File{k.initramfs, state}, (*Board).goOn)
	if err != nil {
		if ctx.Err() == nil {
			_ = os.Remove(k.state) // QEMU did not take it
		}
		return nil, err
	}
	if err := b.addFiles(ctx, c); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func newKind(ctx context.Context, c Config, i *image.Image) (k *kind, err error) {
	c.Files, c.Udev = nil, false
	k = &kind{config: c}
	if k.args, err = c.Machine.qemuArgs(c, i); err != nil {
		return nil, err
	}
	cache, err := image.Cache()
	if err != nil {
		return nil, err
	}
	if k.initramfs, err = assemble(ctx, c, i); err != nil {
		return nil, err
	}
	key, err := k.key()
	if err != nil {
		k.initramfs.Close()
		return nil, err
	}
	k.state = filepath.Join(cache, "states", key)
	return k, nil
}

// key is a hash of the kind. Kernel and device tree are in it by their paths, which change with the image.
func (k *kind) key() (string, error) {
	program, err := image.FindTool("qemu-system-aarch64")
	if err != nil {
		return "", err
	}
	info, err := os.Stat(program)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q %d %d %q\n", program, info.Size(), info.ModTime().UnixNano(), k.args)
	if _, err := io.Copy(h, io.NewSectionReader(k.initramfs, 0, 1<<62)); err != nil {
		return "", fmt.Errorf("hash the initial file system: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// open returns the state, which is made where there is none that is whole. Several processes may want it at once: one
// makes it, the others wait.
func (k *kind) open(ctx context.Context) (*os.File, error) {
	if f, err := openState(k.state); err == nil {
		return f, nil
	}
	unlock, err := image.Lock(ctx, filepath.Dir(k.state), io.Discard)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if f, err := openState(k.state); err == nil {
		return f, nil
	}
	if err := k.save(ctx); err != nil {
		return nil, fmt.Errorf("save the state of %s: %w", k.config.Machine, err)
	}
	pruneStates(filepath.Dir(k.state))
	return openState(k.state)
}

// save boots a board and saves its state.
func (k *kind) save(ctx context.Context) error {
	b, err := start(ctx, k.config, k.args, []*os.File{k.initramfs}, (*Board).awaitHello)
	if err != nil {
		return err
	}
	defer b.Close()
	unfinished := k.state + ".new"
	defer os.Remove(unfinished)
	if err := b.qmp.migrate(ctx, unfinished); err != nil {
		return err
	}
	if err := seal(unfinished); err != nil {
		return err
	}
	return os.Rename(unfinished, k.state)
}

// migrate has QEMU write the state of the running machine to a file.
func (q *qmp) migrate(ctx context.Context, path string) error {
	// QEMU would spare a network that is not there.
	if err := q.execute(ctx, "migrate-set-parameters", arguments{"max-bandwidth": int64(10e9)}); err != nil {
		return err
	}
	uri := "exec:cat > '" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	if err := q.execute(ctx, "migrate", arguments{"uri": uri}); err != nil {
		return err
	}
	return q.awaitStatus(ctx, "query-migrate", "completed")
}

// statusEvery is how often QEMU is asked how far it is.
const statusEvery = 10 * time.Millisecond

// awaitStatus asks until the status is as wanted.
func (q *qmp) awaitStatus(ctx context.Context, query, want string) error {
	for {
		answer, err := q.ask(ctx, query, nil)
		if err != nil {
			return err
		}
		var is struct{ Status string }
		if err := json.Unmarshal(answer, &is); err != nil {
			return err
		}
		switch is.Status {
		case want:
			return nil
		case "failed":
			return fmt.Errorf("%s: %s", query, answer)
		}
		time.Sleep(statusEvery)
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum is the checksum of the first size bytes of a file, as it stands behind them.
func sum(f *os.File, size int64) ([]byte, error) {
	h := crc32.New(castagnoli)
	_, err := io.Copy(h, io.NewSectionReader(f, 0, size))
	return binary.BigEndian.AppendUint32(nil, h.Sum32()), err
}

// seal appends a checksum to a state, behind the end that QEMU knows.
func seal(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	checksum, err := sum(f, end)
	if err != nil {
		return err
	}
	_, err = f.Write(checksum)
	return errors.Join(err, f.Close())
}

// openState opens a state that is whole.
func openState(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := checkState(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now) // only shows pruneStates that it is in use
	return f, nil
}

func checkState(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := max(0, info.Size()-crc32.Size)
	want, err := sum(f, size)
	if err != nil {
		return err
	}
	var got [crc32.Size]byte
	if _, err := f.ReadAt(got[:], size); err != nil || string(got[:]) != string(want) {
		return errors.New("the checksum is wrong")
	}
	return nil
}

// pruneStates removes the states that were not used for longest, and what killed runs left behind.
func pruneStates(dir string) {
	unfinished, _ := filepath.Glob(filepath.Join(dir, "*.new"))
	for _, path := range unfinished {
		_ = os.Remove(path)
	}
	states, _ := filepath.Glob(filepath.Join(dir, strings.Repeat("[0-9a-f]", 16)))
	used := func(path string) time.Time {
		info, err := os.Stat(path)
		if err != nil {
			return time.Time{}
		}
		return info.ModTime()
	}
	slices.SortFunc(states, func(a, b string) int { return used(b).Compare(used(a)) })
	for _, path := range states[min(len(states), statesKept):] {
		_ = os.Remove(path)
	}
}

// goOn waits until the guest runs on from its state, and gives it the time and other random numbers.
func (b *Board) goOn(ctx context.Context) error {
	// What is sent before that, a serial port forgets.
	if err := b.qmp.awaitStatus(ctx, "query-status", "running"); err != nil {
		return fmt.Errorf("load a saved state: %w", err)
	}
	seed := make([]byte, 32)
	_, _ = rand.Read(seed) // never fails
	reply, err := b.link.call(ctx, wire.Request{Resume: &wire.Resume{Now: time.Now(), Seed: seed}})
	if err != nil {
		return fmt.Errorf("go on from a saved state: %w", err)
	}
	b.Hello = *reply.Hello
	return nil
}

// addFiles puts the files of the configuration on a running board.
func (b *Board) addFiles(ctx context.Context, c Config) error {
	var archives bytes.Buffer
	sizes, err := writeAdditions(ctx, &archives, c)
	if err != nil {
		return err
	}
	if archives.Len() > windowSize {
		return fmt.Errorf("files of %d bytes are too many for a board from a saved state", archives.Len())
	}
	at := b.machine.ram + b.machine.window<<20
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := b.poke(ctx, at, archives.Bytes()); err != nil {
		return fmt.Errorf("write into the guest's memory: %w", err)
	}
	_, err = b.call(ctx, wire.Request{Unpack: &wire.Unpack{At: int64(at), Sizes: sizes}})
	return err
}

// poke writes into memory of the guest, which is memory of QEMU's process.
func (b *Board) poke(ctx context.Context, at int, data []byte) error {
	said, err := b.qmp.monitor(ctx, fmt.Sprintf("gpa2hva %#x", at))
	if err != nil {
		return err
	}
	_, text, _ := strings.Cut(said, ") is ") // "Host virtual address for 0x5c000000 (mach-virt.ram) is 0x7f0123456000"
	address, err := strconv.ParseInt(strings.TrimSpace(text), 0, 64)
	if err != nil {
		return fmt.Errorf("find its address: QEMU says %q", said)
	}
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", b.qemu.pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer memory.Close()
	_, err = memory.WriteAt(data, address)
	return err
}
