// SPDX-License-Identifier: MIT

package input

import (
	"log/slog"
	"time"

	"reflexd/sources"
)

var discardLog = slog.New(slog.DiscardHandler)

// stillLoop is for devices that are fed by hand.
type stillLoop struct{ sources.Loop }

func (stillLoop) Now() time.Duration { return time.Second }
