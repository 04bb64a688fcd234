// SPDX-License-Identifier: MIT

// See entry.go. rt_sigprocmask(SIG_BLOCK, &entryMask, NULL, 8); close(fcntl(0, F_DUPFD, 255));
// the stack stays as it is.

#include "textflag.h"

TEXT reflexd_entry(SB), NOSPLIT|NOFRAME, $0
	MOVW $0, R0
	MOVW $·entryMask(SB), R1
	MOVW $0, R2
	MOVW $8, R3
	MOVW $175, R7
	SWI  $0
	MOVW $0, R0
	MOVW $0, R1
	MOVW $255, R2
	MOVW $55, R7
	SWI  $0
	MOVW $6, R7
	SWI  $0
	B    _rt0_arm_linux(SB)
