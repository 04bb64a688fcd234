// SPDX-License-Identifier: MIT

// Every program that the Makefile, the lab and the tests run on this machine must be one that a newcomer's machine has:
// one of Tools or of the basics.

package image

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// basics are the programs that need no entry in Tools: they are in the essential packages, which every Debian has, or
// in those of basicPackages.
var basics = strings.Fields(`apt-cache apt-get bash blkid cat chmod chown chroot cp cut dirname dpkg dpkg-deb dpkg-query env expand false git grep
	head id ls mkdir mkfifo mkswap partx rm sed seq sh sha256sum sleep sort stat tar true truncate xargs`)

// basicPackages are on every machine without being essential: apt is on any Debian, and the README asks for git.
var basicPackages = []string{"apt", "git"}

// ofGo are the programs that come with Go.
var ofGo = []string{"go", "gofmt"}

// runners are the functions that run or find a program, with the position of its name among their arguments. A function
// of this module is named by its folder.
var runners = map[string]int{
	"exec.Command":        0,
	"exec.CommandContext": 1,
	"exec.LookPath":       0,
	"cmd/reflexd.Exec":    0, // of testscript
	"image.Command":       1,
	"lab.runTool":         1,
	"lab/trial.tool":      1,
	"lab/image.Command":   1,
	"lab/image.command":   1,
	"agent/mount.image":   1,
	"agent/mount.imageOf": 2,
	"blkid.run":           2,
}

// relays are the functions that get the name for a runner from somewhere else, and why that may be.
var relays = map[string]string{
	"lab.format":                                 "image.Command refuses what is not in Tools",
	"lab.pack":                                   "image.Command refuses what is not in Tools",
	"lab/bench.compile":                          "image.Command refuses what is not in Tools",
	"bridge.TestLastWill":                        "runs what was built",
	"lab/bench.runHere":                          "runs what was built",
	"lab/bench.startBridges":                     "runs itself",
	"lab/bench.oneBridge":                        "runs what was built",
	"lab/bench.measure":                          "runs what was built",
	"lab/install.TestImage":                      "runs what was built",
	"lab/fault.launchIn":                         "runs what was built",
	"lab/fault.launchBurst":                      "runs what was built",
	"lab/guest.start":                            "runs on the board",
	"lab/image.compileModules":                   "image.Command refuses what is not in Tools",
	"lab/image.FindTool":                         "looks for Tools",
	"lab/trial.wrong":                            "image.Command refuses what is not in Tools",
	"blkid.make":                                 "runs the commands of samples, which are checked as such",
	"sources/signal.startHelper":                 "runs the test's own program",
	"cmd/reflexd.ourselves":                      "runs the test's own program",
	"cmd/reflexd.TestPositionIndependentProgram": "runs what was built",
}

// A use is a program and the place where it is run.
type use struct{ program, at string }

func TestProgramsAreInPackages(t *testing.T) {
	uses := slices.Concat(makefileUses(t, "../.."), goUses(t, "../.."), txtarUses(t, "../../*/*/testdata/*.txtar"))
	if len(uses) < 100 {
		t.Errorf("only %d uses of programs were found", len(uses))
	}
	known := slices.Concat(basics, ofGo)
	for _, tool := range Tools {
		known = append(known, tool.Name)
	}
	for _, u := range uses {
		if u.at == "make docs" && u.program == "mkdocs" {
			continue // says itself what to install, and no other target needs it
		}
		if !slices.Contains(known, u.program) {
			t.Errorf("%s: %s is neither in image.Tools nor a basic program", u.at, u.program)
		}
	}
}

// goUses finds the programs that the Go files below root run.
func goUses(t *testing.T, root string) []use {
	var uses []use
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && entry.Name() == "build" {
			return fs.SkipDir // copies, for the site of the documentation
		}
		if err != nil || entry.IsDir() || filepath.Ext(name) != ".go" {
			return err
		}
		f := finder{files: token.NewFileSet()}
		file, err := parser.ParseFile(f.files, name, nil, 0)
		if err != nil {
			return err
		}
		f.dir, err = filepath.Rel(root, filepath.Dir(name))
		ast.Inspect(file, f.inspect)
		uses = append(uses, f.uses...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return uses
}

// A finder finds the uses of programs in a file.
type finder struct {
	files    *token.FileSet
	dir      string // the file's
	function string // the latest that is declared
	uses     []use
}

func (f *finder) inspect(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncDecl:
		f.function = f.dir + "." + n.Name.Name
	case *ast.CallExpr:
		if i, ok := runners[f.callee(n)]; ok && i < len(n.Args) {
			f.call(n.Args[i:])
		}
	case *ast.KeyValueExpr:
		f.samples(n)
	}
	return true
}

// callee names the function that is called, as runners does.
func (f *finder) callee(c *ast.CallExpr) string {
	switch function := c.Fun.(type) {
	case *ast.Ident:
		return f.dir + "." + function.Name
	case *ast.SelectorExpr:
		if x, ok := function.X.(*ast.Ident); ok && (x.Name == "exec" || x.Name == "image") {
			return x.Name + "." + function.Sel.Name
		}
		return f.dir + "." + function.Sel.Name
	}
	return ""
}

// call notes what a runner gets: a program, or a shell and its script.
func (f *finder) call(args []ast.Expr) {
	name, ok := literal(args[0])
	_, runner := runners[f.function]
	switch {
	case ok:
		f.note(args[0], name)
	case !runner && relays[f.function] == "" && !isOwnName(args[0]):
		f.note(args[0], "a name from elsewhere (see relays)")
	}
	if len(args) > 2 && name == "sh" {
		ast.Inspect(args[2], func(n ast.Node) bool {
			if x, ok := n.(ast.Expr); ok {
				script, _ := literal(x)
				f.note(x, scriptPrograms(script)...)
			}
			return true
		})
	}
}

// samples notes the programs in a table of commands.
func (f *finder) samples(field *ast.KeyValueExpr) {
	key, ok := field.Key.(*ast.Ident)
	list, isList := field.Value.(*ast.CompositeLit)
	if !ok || !isList || key.Name != "commands" {
		return
	}
	for _, element := range list.Elts {
		command, _ := literal(element)
		f.note(element, strings.SplitN(command, " ", 2)[0])
	}
}

func (f *finder) note(at ast.Expr, programs ...string) {
	for _, program := range programs {
		if !strings.HasPrefix(program, "/proc/self/") && !strings.HasPrefix(program, "./") { // programs of ours
			f.uses = append(f.uses, use{path.Base(program), f.files.Position(at.Pos()).String()})
		}
	}
}

func literal(x ast.Expr) (string, bool) {
	basic, ok := x.(*ast.BasicLit)
	if !ok {
		return "", false
	}
	s, err := strconv.Unquote(basic.Value)
	return s, err == nil
}

// isOwnName reports whether an expression is os.Args[0].
func isOwnName(x ast.Expr) bool {
	index, ok := x.(*ast.IndexExpr)
	if !ok {
		return false
	}
	args, ok := index.X.(*ast.SelectorExpr)
	return ok && args.Sel.Name == "Args"
}

var (
	phony     = regexp.MustCompile(`(?m)^\.PHONY:(( [a-z0-9-]+)+)$`)
	shellCall = regexp.MustCompile(`\$\(shell ([^)]*)\)`)
)

// makefileUses finds the programs that the Makefile's targets run, by having make print their recipes.
func makefileUses(t *testing.T, dir string) []use {
	makefile, err := os.ReadFile(filepath.Join(dir, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	scripts := map[string]string{}
	for _, call := range shellCall.FindAllSubmatch(makefile, -1) {
		scripts["Makefile"] += string(call[1]) + "\n"
	}
	for _, target := range strings.Fields(string(phony.FindSubmatch(makefile)[1])) {
		c := exec.Command("make", "-C", dir, "--no-print-directory", "--always-make", "--dry-run", target)
		c.Env = withoutMake(os.Environ())
		recipes, err := output(c)
		if err != nil {
			t.Fatal(err)
		}
		scripts["make "+target] = string(recipes)
	}
	var uses []use
	for at, script := range scripts {
		for _, program := range scriptPrograms(script) {
			uses = append(uses, use{program, at})
		}
	}
	return uses
}

// execution is a line of testscript that runs a program, which may be a shell with a script in quotes.
var execution = regexp.MustCompile(`(?m)^(?:[!?] )?exec (?:sh -c '([^'\n]*)'|(.*))`)

// txtarUses finds the programs that scripts of testscript run.
func txtarUses(t *testing.T, pattern string) []use {
	files, err := filepath.Glob(pattern)
	if err != nil || files == nil {
		t.Fatalf("%s: %v, error %v", pattern, files, err)
	}
	var uses []use
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range execution.FindAllSubmatch(text, -1) {
			for _, program := range scriptPrograms(string(line[1]) + string(line[2])) {
				uses = append(uses, use{program, file})
			}
		}
	}
	return uses
}

var (
	dropped      = regexp.MustCompile(`\\\n|\d*>+&?\s*[^\s;]*|\$\{[^}]*\}`) // continued lines, redirections, parameters
	substitution = regexp.MustCompile("\\$\\(([^()]*)\\)|`([^`]*)`")
	quotation    = regexp.MustCompile(`'[^']*'|"(\\"|[^"])*"`)
	separator    = regexp.MustCompile(`[;&|()\n]`)
	prefix       = regexp.MustCompile(`^([!{}]|[A-Za-z_]\w*=.*|if|then|elif|else|fi|while|until|do|done|exec|command|-v)$`)
	builtin      = regexp.MustCompile(`^([:[]|for|cd|echo|eval|exit|export|kill|read|set|test|trap|wait|reflexd|.*[/_$].*)$`) // or a program of ours
)

// scriptPrograms returns the programs that a shell script runs by their plain names.
func scriptPrograms(script string) []string {
	var programs []string
	script = dropped.ReplaceAllString(script, " ")
	for inner := substitution.FindStringSubmatch(script); inner != nil; inner = substitution.FindStringSubmatch(script) {
		programs = append(programs, scriptPrograms(inner[1]+inner[2])...)
		script = strings.Replace(script, inner[0], "_", 1)
	}
	for _, command := range separator.Split(quotation.ReplaceAllString(script, "_"), -1) {
		words := strings.Fields(command)
		for len(words) > 0 && prefix.MatchString(words[0]) {
			words = words[1:]
		}
		if len(words) == 0 || builtin.MatchString(words[0]) {
			continue
		}
		programs = append(programs, words[0])
		if i := slices.IndexFunc(words[1:], func(w string) bool { return w[0] != '-' }); words[0] == "xargs" && i >= 0 {
			programs = append(programs, words[1+i])
		}
	}
	return programs
}

func TestScriptPrograms(t *testing.T) {
	for script, want := range map[string]string{
		"go vet ./...\nA=b GOARCH=arm go test":                                                        "go go",
		`x=$(stat -c %s f); test $x -lt 5 || { echo "a; b"; exit 1; }`:                                "stat",
		`for p in $(ls *.go | xargs -n1 dirname | sort); do strace "$p" 2>/dev/null && exec ps; done`: "ls xargs dirname sort strace ps",
		"a \\\n\tb; echo 'c; d' | e >&2 | \"$(f `g`)\"":                                               "g f a e",
	} {
		if got := strings.Join(scriptPrograms(script), " "); got != want {
			t.Errorf("%s\nruns %s, want %s", script, got, want)
		}
	}
}

// Tools and basics come from the packages that they are said to come from.
func TestPackagesHaveThePrograms(t *testing.T) {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		t.Skip("not Debian: ", err)
	}
	names := slices.Clone(basics)
	for _, tool := range Tools {
		names = append(names, tool.Name)
	}
	owners := packagesOf(names)
	for _, tool := range Tools {
		if owner := owners[tool.Name]; owner != "" && owner != tool.Package { // else it is not installed
			t.Errorf("%s is in %s, not in %s", tool.Name, owner, tool.Package)
		}
	}
	essential, err := exec.Command("dpkg-query", "-W", "-f", "<${Package} ${Essential}>").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range basics {
		owner := owners[name]
		if !slices.Contains(basicPackages, owner) && !bytes.Contains(essential, []byte("<"+owner+" yes>")) {
			t.Errorf("%s is in package %q, which not every Debian has", name, owner)
		}
	}
}

// packagesOf asks dpkg which packages have the given files, and the given programs where Debian puts them.
func packagesOf(names []string) map[string]string {
	named := map[string]string{} // by path
	args := []string{"-S"}
	for _, name := range names {
		for _, dir := range []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin", ""} {
			p := path.Join(dir, name)
			if _, err := os.Stat(p); err != nil {
				continue
			}
			named[p] = name
			args = append(args, p)
		}
	}
	said, _ := exec.Command("dpkg-query", args...).Output() // fails if there is a path that it does not know
	owners := map[string]string{}
	for line := range strings.Lines(string(said)) {
		owner, file, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if name, ok := named[file]; ok && !strings.HasPrefix(owner, "diversion ") {
			owners[name], _, _ = strings.Cut(owner, ":")
		}
	}
	return owners
}

func TestCommandRefusesOtherPrograms(t *testing.T) {
	if err := Command(t.Context(), "true").Run(); err == nil || !strings.Contains(err.Error(), "not one of image.Tools") {
		t.Errorf("true: %v", err)
	}
}
