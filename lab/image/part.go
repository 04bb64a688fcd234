// SPDX-License-Identifier: MIT

// Parts of the cache beside the images.

package image

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
)

// part returns a folder of the cache, which is fetched unless have finds all in it that is wanted today. Other runs wait
// meanwhile.
func (o Options) part(ctx context.Context, name string, have func(dir string) bool,
	fetch func(ctx context.Context, cache, dir string, log io.Writer) error) (string, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	unlock, err := Lock(ctx, cache, o.Log)
	if err != nil {
		return "", err
	}
	defer unlock()
	dir := filepath.Join(cache, name)
	if !o.Refresh && have(dir) {
		return dir, nil
	}
	if err := fetch(ctx, cache, dir, o.Log); err != nil {
		return "", fmt.Errorf("fetch %s: %w", name, err)
	}
	return dir, nil
}
