//go:build unix

package main

import "syscall"

// freeSpace is how many bytes may be written in a folder, and of how many.
func freeSpace(folder string) (free, all uint64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, 0, err
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), nil
}
