// SPDX-License-Identifier: MIT

// cloneAndCall for arm64. See calls.go; the layout of a call is there.

#include "textflag.h"

#define CALL_KERNEL \
	MOVD 0(R19), R8;  \
	MOVD 8(R19), R0;  \
	MOVD 16(R19), R1; \
	MOVD 24(R19), R2; \
	MOVD 32(R19), R3; \
	MOVD 40(R19), R4; \
	SVC

// func cloneAndCall(table *call) (result uintptr)
TEXT ·cloneAndCall(SB), NOSPLIT, $0-16
	MOVD table+0(FP), R19
	CALL_KERNEL
	CBZ  R0, next
	MOVD R0, result+8(FP)
	RET

	// From here on we are the child: no stack.
next:
	ADD  $64, R19
make:
	CALL_KERNEL
	MOVD R0, 56(R19)
	CMP  $0, R0
	BGE  next
	MOVD 48(R19), R1
	CBZ  R1, next
	MOVD R1, R19
	B    make
