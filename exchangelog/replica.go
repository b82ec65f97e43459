package exchangelog

import (
	"fmt"
	"io"
	"path/filepath"
	"strconv"
)

// maxReplicas is how many processes of one machine may share a name and be told apart by numbers.
const maxReplicas = 100

// TakeReplica takes a replica's name in a folder of Files for this process alone, until the closer is closed. Where it is taken,
// numbered says that name-2, name-3 and so on will do.
func TakeReplica(folder, name string, numbered bool) (string, io.Closer, error) {
	if !replicaName(name) {
		return "", nil, fmt.Errorf("replica %q: must be of letters, digits, dots, hyphens and underscores, at most %d", name, maxName)
	}
	if name == archivist {
		return "", nil, fmt.Errorf("replica %q: is the name of who removes months", name)
	}
	if err := makeFolder(folder); err != nil {
		return "", nil, err
	}
	var taken error
	for n := 1; n <= maxReplicas; n++ {
		candidate := name
		if n > 1 {
			suffix := "-" + strconv.Itoa(n)
			candidate = name[:min(len(name), maxName-len(suffix))] + suffix
		}
		lock, err := takeLock(filepath.Join(folder, candidate+lockSuffix))
		if err == nil {
			return candidate, lock, nil
		}
		taken = fmt.Errorf("%s: %w", filepath.Join(folder, candidate+lockSuffix), err)
		if !numbered {
			break
		}
	}
	return "", nil, fmt.Errorf("another process has the name: %w", taken)
}
