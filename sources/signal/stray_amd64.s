// SPDX-License-Identifier: MIT

// See stray.go. The kernel's ABI: DI is the signal; the return address is the
// restorer's.

#include "textflag.h"

// func forward()
TEXT ·forward(SB), NOSPLIT|NOFRAME, $0-0
	MOVL DI, DX
	MOVL ·process(SB), DI
	MOVL ·thread(SB), SI
	MOVL $234, AX // tgkill
	SYSCALL
	RET

DATA ·handler+0(SB)/8, $·forward(SB)
GLOBL ·handler(SB), RODATA, $8
