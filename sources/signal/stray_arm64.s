// SPDX-License-Identifier: MIT

// See stray.go. The kernel's ABI: R0 is the signal, LR leads to rt_sigreturn.

#include "textflag.h"

// func forward()
TEXT ·forward(SB), NOSPLIT|NOFRAME, $0-0
	MOVW R0, R2
	MOVW ·process(SB), R0
	MOVW ·thread(SB), R1
	MOVD $131, R8 // tgkill
	SVC
	RET

DATA ·handler+0(SB)/8, $·forward(SB)
GLOBL ·handler(SB), RODATA, $8
