// SPDX-License-Identifier: MIT

package fault

// superseded are calls that older architectures have.
var superseded []Kind
