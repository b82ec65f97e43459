package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// folders writes a file into each folder that the program writes to, and removes it.
func (d *doctor) folders(_ context.Context, found *diagnosis) {
	keys := map[string]string{"log.dir": d.settings.Log.Dir}
	if d.settings.Log.SigningKey != "" {
		keys["log.archiveDir"] = d.settings.Log.ArchiveDir
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		folder, check := keys[key], "folder "+key
		existing, err := writable(folder)
		switch {
		case err != nil:
			found.fail(check, fmt.Sprintf("make it and give it to the user that runs the adapter (chown USER %s; in a container mount a volume), or set %s to another folder", folder, key),
				"%s cannot be written: %v", folder, err)
		case existing != folder:
			found.ok(check, "%s will be made in %s", folder, existing)
		default:
			found.ok(check, "%s can be written", folder)
		}
	}
}

// writable tries the folder, or the nearest above it that is there: the program makes what is missing.
func writable(folder string) (existing string, err error) {
	existing = folder
	for {
		_, err := os.Stat(existing)
		if err == nil {
			break
		}
		above := filepath.Dir(existing)
		if !errors.Is(err, fs.ErrNotExist) || above == existing {
			return existing, err
		}
		existing = above
	}
	f, err := os.CreateTemp(existing, ".doctor-*")
	if err != nil {
		return existing, err
	}
	return existing, errors.Join(f.Close(), os.Remove(f.Name()))
}

// space looks how much may be written where the log and the database are.
func (d *doctor) space(_ context.Context, found *diagnosis) {
	disks := d.settings.disks()
	for _, holds := range slices.Sorted(maps.Keys(disks)) {
		folder, check := disks[holds], "disk "+holds
		for { // the nearest that is there
			if _, err := os.Stat(folder); err == nil || filepath.Dir(folder) == folder {
				break
			}
			folder = filepath.Dir(folder)
		}
		free, _, err := d.free(folder)
		advice := "make room, or move the " + holds + " (log.dir, store)"
		switch {
		case err != nil:
			found.warn(check, "look yourself: df -h "+folder, "the space in %s cannot be told: %v", folder, err)
		case free < noSpace:
			found.fail(check, advice, "%d MiB are free in %s", free>>20, folder)
		case free < littleSpace:
			found.warn(check, advice, "%d MiB are free in %s", free>>20, folder)
		default:
			found.ok(check, "%d MiB are free in %s", free>>20, folder)
		}
	}
}
