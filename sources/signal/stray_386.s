// SPDX-License-Identifier: MIT

// See stray.go. The kernel's ABI: the signal and its siginfo are on the stack,
// above the restorer's address.

#include "textflag.h"

// func forward()
TEXT ·forward(SB), NOSPLIT|NOFRAME, $0-0
	MOVL 4(SP), DX
	MOVL ·process(SB), BX
	MOVL ·thread(SB), CX
	MOVL $270, AX // tgkill
	INT  $0x80
	RET

// func forwardFault()
TEXT ·forwardFault(SB), NOSPLIT|NOFRAME, $0-0
	MOVL 8(SP), SI
	CMPL 8(SI), $0 // si_code
	JGT  real
	MOVL 4(SP), AX
	MOVL AX, 4(SI) // si_errno
	MOVL $-1, 8(SI) // SI_QUEUE
	MOVL $34, DX
	MOVL ·process(SB), BX
	MOVL ·thread(SB), CX
	MOVL $335, AX // rt_tgsigqueueinfo
	INT  $0x80
	RET
real:
	MOVL ·runtimes(SB), AX
	JMP  AX

DATA ·handler+0(SB)/4, $·forward(SB)
GLOBL ·handler(SB), RODATA, $4

DATA ·faultHandler+0(SB)/4, $·forwardFault(SB)
GLOBL ·faultHandler(SB), RODATA, $4
