// SPDX-License-Identifier: MIT

// cloneAndCall for arm (EABI). See calls.go; the layout of a call is there.

#include "textflag.h"

#define CALL_KERNEL \
	MOVW 0(R8), R7;  \
	MOVW 4(R8), R0;  \
	MOVW 8(R8), R1;  \
	MOVW 12(R8), R2; \
	MOVW 16(R8), R3; \
	MOVW 20(R8), R4; \
	SWI  $0

// func cloneAndCall(table *call) (result uintptr)
TEXT ·cloneAndCall(SB), NOSPLIT, $0-8
	MOVW table+0(FP), R8
	CALL_KERNEL
	CMP  $0, R0
	BEQ  next
	MOVW R0, result+4(FP)
	RET

	// From here on we are the child: no stack.
next:
	ADD  $32, R8
make:
	CALL_KERNEL
	MOVW R0, 28(R8)
	CMP  $0, R0
	BGE  next
	MOVW 24(R8), R1
	CMP  $0, R1
	BEQ  next
	MOVW R1, R8
	B    make
