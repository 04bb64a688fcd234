// SPDX-License-Identifier: MIT

// See stray.go. The kernel's ABI: DI is the signal, SI its siginfo; the return
// address is the restorer's.

#include "textflag.h"

// func forward()
TEXT ·forward(SB), NOSPLIT|NOFRAME, $0-0
	MOVL DI, DX
	MOVL ·process(SB), DI
	MOVL ·thread(SB), SI
	MOVL $234, AX // tgkill
	SYSCALL
	RET

// func forwardFault()
TEXT ·forwardFault(SB), NOSPLIT|NOFRAME, $0-0
	CMPL 8(SI), $0 // si_code
	JGT  real
	MOVL DI, 4(SI) // si_errno
	MOVL $-1, 8(SI) // SI_QUEUE
	MOVQ SI, R10
	MOVL $34, DX
	MOVL ·process(SB), DI
	MOVL ·thread(SB), SI
	MOVL $297, AX // rt_tgsigqueueinfo
	SYSCALL
	RET
real:
	MOVQ ·runtimes(SB), AX
	JMP  AX

DATA ·handler+0(SB)/8, $·forward(SB)
GLOBL ·handler(SB), RODATA, $8

DATA ·faultHandler+0(SB)/8, $·forwardFault(SB)
GLOBL ·faultHandler(SB), RODATA, $8
