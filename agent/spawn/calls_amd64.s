// SPDX-License-Identifier: MIT

// cloneAndCall for amd64. See calls.go; the layout of a call is there.

#include "textflag.h"

#define CALL_KERNEL \
	MOVQ 0(BX), AX;  \
	MOVQ 8(BX), DI;  \
	MOVQ 16(BX), SI; \
	MOVQ 24(BX), DX; \
	MOVQ 32(BX), R10; \
	MOVQ 40(BX), R8; \
	SYSCALL

// func cloneAndCall(table *call) (result uintptr)
TEXT ·cloneAndCall(SB), NOSPLIT, $0-16
	MOVQ table+0(FP), BX
	CALL_KERNEL
	TESTQ AX, AX
	JEQ  next
	MOVQ AX, result+8(FP)
	RET

	// From here on we are the child: no stack.
next:
	ADDQ $64, BX
make:
	CALL_KERNEL
	MOVQ AX, 56(BX)
	TESTQ AX, AX
	JGE  next
	MOVQ 48(BX), CX
	TESTQ CX, CX
	JEQ  next
	MOVQ CX, BX
	JMP  make
