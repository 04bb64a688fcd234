// SPDX-License-Identifier: MIT

// The verb selftest: what this board does, measured by the agent itself.

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"reflexd/machine"
	"reflexd/selftest"
)

func selftestVerb(c *command) func([]string) int {
	s := &selftest.Setup{Version: versionString(), Kernel: kernelVersion(), CPUs: runtime.NumCPU()}
	c.flags.StringVar(&s.Button, "button", "", "test the button between this `line` and ground")
	c.flags.StringVar(&s.LED, "led", "", "test the LED of this `name` in /sys/class/leds")
	c.flags.BoolVar(&s.Drive, "drive", false, "ask for a USB drive to be plugged in and pulled out")
	yes := c.flags.Bool("yes", false, "do not ask before the lines are used")
	asJSON := c.flags.Bool("json", false, "print the report as JSON")
	return func(lines []string) int {
		switch len(lines) {
		case 0:
		case 2:
			s.Output, s.Input = lines[0], lines[1]
		default:
			return c.usage("name two lines that a wire joins: the first is driven, the second is read")
		}
		if len(lines) == 0 && s.Button == "" && s.LED == "" && !s.Drive {
			return c.usage("join two free lines by a wire and name them, such as `reflexd selftest GPIO17 GPIO27`, or use --button, --led or --drive")
		}
		answers := bufio.NewReader(os.Stdin)
		s.Prompt = func(what string) (string, error) {
			fmt.Fprint(c.stderr, what)
			return readAnswer(answers)
		}
		s.Progress = func(test string) { fmt.Fprintf(c.stderr, "%s ...\n", test) }
		return c.selftest(s, *yes, *asJSON)
	}
}

// readAnswer reads a line. The end of the input is no answer.
func readAnswer(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if errors.Is(err, io.EOF) {
		return "", errors.New("there is nobody to answer: standard input has ended")
	}
	return line, err
}

func (c *command) selftest(s *selftest.Setup, yes, asJSON bool) int {
	var err error
	if s.Program, err = os.Executable(); err != nil {
		return c.fail(err)
	}
	s.Lines, err = machine.Look(s.Machine)
	if err == nil || len(s.Lines.Chips) > 0 {
		err = s.Check()
	}
	if err != nil {
		return c.fail(err)
	}
	if !yes {
		answer, err := s.Prompt(warning(s))
		if err != nil {
			fmt.Fprintln(c.stderr)
			return c.fail(fmt.Errorf("%w; --yes starts without asking", err))
		}
		if !selftest.Yes(answer) {
			fmt.Fprintln(c.stderr, "nothing was touched")
			return failed
		}
	}
	report, err := selftest.Run(s)
	if err != nil {
		return c.fail(err)
	}
	code := done
	if report.Failed() {
		code = failed
	}
	if asJSON {
		return c.printJSON(report, code)
	}
	report.Write(c.stdout)
	return code
}

// warning says what is going to be touched.
func warning(s *selftest.Setup) string {
	var b strings.Builder
	if s.Output != "" {
		fmt.Fprintf(&b, "%s becomes an output, %s an input.\n", inWords(s, s.Output), inWords(s, s.Input))
		fmt.Fprintln(&b, "A wire must join them, better a resistor of 1 kΩ, and nothing else must be connected to either.")
	}
	if s.Button != "" {
		fmt.Fprintf(&b, "%s becomes an input with a pull-up.\n", inWords(s, s.Button))
	}
	if s.LED != "" {
		fmt.Fprintf(&b, "The LED %s is switched, and gets its trigger and brightness back.\n", s.LED)
	}
	if s.Drive {
		fmt.Fprintln(&b, "The next USB drive that is plugged in is mounted read-only; stop other programs that mount drives.")
	}
	return b.String() + "Start? [y/N] "
}

// inWords says which line a name means: "GPIO17 (pinctrl-bcm2835:17, also J8:11)".
func inWords(s *selftest.Setup, name string) string {
	chip, offset, err := s.Lines.Resolve(name)
	if err != nil {
		return name
	}
	names := s.Lines.NamesOfBoard(&s.Lines.Chips[chip], &s.Lines.Chips[chip].Lines[offset])
	also := ""
	if len(names) > 0 {
		also = ", on the board " + strings.Join(names, " ")
	}
	return fmt.Sprintf("%s (%s:%d%s)", name, s.Lines.Chips[chip].Label, offset, also)
}
