// SPDX-License-Identifier: MIT

// See stray.go. The kernel's ABI: R0 is the signal, R1 its siginfo, LR leads to
// rt_sigreturn.

#include "textflag.h"

// func forward()
TEXT ·forward(SB), NOSPLIT|NOFRAME, $0-0
	MOVW R0, R2
	MOVW ·process(SB), R0
	MOVW ·thread(SB), R1
	MOVD $131, R8 // tgkill
	SVC
	RET

// func forwardFault()
TEXT ·forwardFault(SB), NOSPLIT|NOFRAME, $0-0
	MOVW 8(R1), R3 // si_code
	CMPW $0, R3
	BGT  real
	MOVW R0, 4(R1) // si_errno
	MOVW $-1, R3
	MOVW R3, 8(R1) // SI_QUEUE
	MOVD R1, R3
	MOVD $34, R2
	MOVW ·process(SB), R0
	MOVW ·thread(SB), R1
	MOVD $240, R8 // rt_tgsigqueueinfo
	SVC
	RET
real:
	MOVD ·runtimes(SB), R3
	JMP  (R3)

DATA ·handler+0(SB)/8, $·forward(SB)
GLOBL ·handler(SB), RODATA, $8

DATA ·faultHandler+0(SB)/8, $·forwardFault(SB)
GLOBL ·faultHandler(SB), RODATA, $8
