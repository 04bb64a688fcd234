// SPDX-License-Identifier: MIT

// See stray.go. The kernel's ABI: X10 is the signal, X11 its siginfo, X1 leads to
// rt_sigreturn.

#include "textflag.h"

// func forward()
TEXT ·forward(SB), NOSPLIT|NOFRAME, $0-0
	MOV  X10, X12
	MOVW ·process(SB), X10
	MOVW ·thread(SB), X11
	MOV  $131, X17 // tgkill
	ECALL
	RET

// func forwardFault()
TEXT ·forwardFault(SB), NOSPLIT|NOFRAME, $0-0
	MOVW 8(X11), X13 // si_code
	BLT  X0, X13, real
	MOVW X10, 4(X11) // si_errno
	MOV  $-1, X13
	MOVW X13, 8(X11) // SI_QUEUE
	MOV  X11, X13
	MOV  $34, X12
	MOVW ·process(SB), X10
	MOVW ·thread(SB), X11
	MOV  $240, X17 // rt_tgsigqueueinfo
	ECALL
	RET
real:
	MOV ·runtimes(SB), X13
	JMP (X13)

DATA ·handler+0(SB)/8, $·forward(SB)
GLOBL ·handler(SB), RODATA, $8

DATA ·faultHandler+0(SB)/8, $·forwardFault(SB)
GLOBL ·faultHandler(SB), RODATA, $8
