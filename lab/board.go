// SPDX-License-Identifier: MIT

// Booting a board and ending it.

package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"reflexd/lab/image"
	"reflexd/lab/wire"
)

// Config says which board to boot and what is on it. Only Machine must be set.
type Config struct {
	Machine     Machine
	Files       map[string]File // by their path in the guest; faster than any WriteFile
	Saved       bool            // start from a saved state, if that works; not with Icount, Root or QEMU
	Icount      bool            // guest time follows executed instructions: for measuring, on Virt alone
	HeaderNames bool            // Pi3: the SoC's own lines keep their names, GPIO2 and so on
	Udev        bool            // Debian's udevd is there, with its rules, for whoever starts it
	Peers       bool            // and gpiomon, gpioset and triggerhappy
	Root        string          // Virt: the image of an ext4 with a system, to be process 1 and to run GuestService; not changed
	Cmdline     string          // added to the kernel's command line
	QEMU        []string        // added to QEMU's arguments
	Patience    time.Duration   // how long booting may take; 0 means two minutes
	Log         io.Writer       // what preparing the image has to say
	Console     io.Writer       // a copy of the guest's console, as it comes
}

// defaultPatience allows for a host that is busy with other boards.
const defaultPatience = 2 * time.Minute

// waitPatience bounds every request whose context has no deadline, so that no test can hang on a guest that does.
const waitPatience = time.Minute

// A File is what Config puts on a board: a host's file by its path, or, where that is empty, Data.
type File struct {
	Path string
	Data []byte
	Perm uint32 // 0 means 0644 for Data and the host's own for Path
}

// Executable is a File of a program of the host's.
func Executable(path string) File { return File{Path: path, Perm: 0o755} }

// Text is a File with the given text.
func Text(text string) File { return File{Data: []byte(text)} }

// A Board is a running guest. Its methods may be called from several goroutines at once.
type Board struct {
	Hello wire.Hello // what the guest said when it was up

	machine Machine
	qemu    *qemu
	link    *link
	qmp     *qmp
	readers sync.WaitGroup // of the link and of QMP
	sticks  sync.Map       // the ids of those plugged in
	done    context.CancelFunc
}

// Boot starts a board and returns when programs can be run on it. The board ends with ctx, with Close or with the
// calling process, whichever comes first.
func Boot(ctx context.Context, c Config) (*Board, error) {
	prepared, err := image.Prepare(ctx, image.Options{Log: c.Log})
	if err != nil {
		return nil, err
	}
	if c.Saved && !c.Icount && len(c.QEMU) == 0 && c.Root == "" {
		b, err := resume(ctx, c, prepared)
		if err == nil {
			return b, nil
		}
		if c.Log != nil {
			fmt.Fprintf(c.Log, "booting, since there is no saved state: %v\n", err)
		}
	}
	c.Saved = false
	initramfs, err := assemble(ctx, c, prepared)
	if err != nil {
		return nil, err
	}
	defer initramfs.Close()
	args, err := c.Machine.qemuArgs(c, prepared)
	if err != nil {
		return nil, err
	}
	return start(ctx, c, args, []*os.File{initramfs}, (*Board).awaitHello)
}

// start starts QEMU and waits until the guest is up.
func start(ctx context.Context, c Config, args []string, memory []*os.File, up func(*Board, context.Context) error) (*Board, error) {
	ctx, done := context.WithCancel(ctx)
	b := &Board{machine: c.Machine, done: done}
	err := b.launch(ctx, c, args, memory)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Patience, defaultPatience))
		defer cancel()
		if err = b.qmp.negotiate(ctx); err == nil {
			err = up(b, ctx)
		}
	}
	if err != nil {
		err = fmt.Errorf("boot %s: %w%s", c.Machine, err, b.lastWords(err))
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// awaitHello waits until the guest has booted.
func (b *Board) awaitHello(ctx context.Context) (err error) {
	b.Hello, err = b.link.awaitHello(ctx)
	return err
}

// launch starts QEMU, connected to us. Our copies of its ends are closed when it has them, so that we see its end.
func (b *Board) launch(ctx context.Context, c Config, args []string, memory []*os.File) error {
	agent, agentEnd, err := socketPair()
	if err != nil {
		return err
	}
	defer agentEnd.Close()
	b.link = newLink(agent)
	control, controlEnd, err := socketPair()
	if err != nil {
		return err
	}
	defer controlEnd.Close()
	b.qmp = newQMP(control)
	if b.qemu, err = startQEMU(ctx, args, agentEnd, controlEnd, memory, c.Console); err != nil {
		return err
	}
	b.readers.Go(b.link.read)
	b.readers.Go(b.qmp.read)
	return nil
}

// call sends the guest a request and waits for the reply.
func (b *Board) call(ctx context.Context, r wire.Request) (wire.Reply, error) {
	reply, err := b.link.call(ctx, r)
	return reply, b.explain(err)
}

// execute has QEMU execute a command.
func (b *Board) execute(ctx context.Context, command string, a arguments) error {
	return b.explain(b.qmp.execute(ctx, command, a))
}

// explain adds to an error that the board's end caused what is known of that end.
func (b *Board) explain(err error) error {
	if !errors.Is(err, ErrEnded) {
		return err
	}
	return fmt.Errorf("%w%s", err, b.lastWords(err))
}

// endPatience is how long QEMU may take to end once it has closed its sockets.
const endPatience = 5 * time.Second

// lastWords is the end of the console and of what QEMU had to say, to append to err. Where the board's end is the
// cause, they are whole only when QEMU has ended: its sockets close before that.
func (b *Board) lastWords(err error) string {
	if b.qemu == nil {
		return ""
	}
	if errors.Is(err, ErrEnded) {
		patience := time.NewTimer(endPatience)
		defer patience.Stop()
		select {
		case <-b.qemu.ended:
		case <-patience.C:
		}
	}
	return b.qemu.lastWords()
}

// Console returns what the guest has written on its console, the last 64 KiB of it.
func (b *Board) Console() string {
	return b.qemu.console.String()
}

// Close ends the board at once, as pulling its plug would.
func (b *Board) Close() error {
	b.done()
	if b.qemu != nil {
		b.qemu.wait()
	}
	var err error
	if b.link != nil {
		err = errors.Join(err, b.link.close())
	}
	if b.qmp != nil {
		err = errors.Join(err, b.qmp.close())
	}
	b.readers.Wait()
	return err
}

// PowerOff has the guest switch itself off and waits until it has.
func (b *Board) PowerOff(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if _, err := b.call(ctx, wire.Request{Halt: true}); err != nil && !errors.Is(err, ErrEnded) {
		return fmt.Errorf("power off: %w", err)
	}
	return b.AwaitEnd(ctx)
}

// AwaitEnd waits until the board has ended by itself, having switched itself off or panicked.
func (b *Board) AwaitEnd(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	select {
	case <-b.qemu.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("await the board's end: %w%s", ctx.Err(), b.lastWords(ctx.Err()))
	}
}

// bounded gives a context that has no deadline one.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, waitPatience)
}
