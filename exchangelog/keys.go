package exchangelog

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Keys encrypts and decrypts what is kept of messages: AES-256-GCM with a data key for each system and month, which lies beside the
// log, wrapped by a master key that does not:
//
//	<folder>/<system>/keys/<keyId>.key    {"keyId":"emta-2026-11-5f0a7a6e","master":"…","key":"…"}
//
// A new master key is put first into its file; Rewrap then wraps the data keys anew. Whoever deletes a month's data keys destroys its
// content for good; the chain is over the encrypted form and still verifies. Keys are safe for concurrent use.
type Keys struct {
	folder   string
	masters  []masterKey // the first wraps, all unwrap
	mu       sync.Mutex
	archives []string            // where keys are as well
	byMonth  map[string]*dataKey // by system and month, as they are used now
	byID     map[string]*dataKey
}

type masterKey struct {
	id   string
	aead cipher.AEAD
}

type dataKey struct {
	id   string
	aead cipher.AEAD
}

// keyFile is a wrapped data key as it is kept.
type keyFile struct {
	KeyID  string `json:"keyId"`
	Master string `json:"master"` // id of the master key
	Key    []byte `json:"key"`    // nonce and ciphertext; the key's id is authenticated with it
}

const (
	keyLength  = 32 // AES-256
	keyFolder  = "keys"
	keySuffix  = ".key"
	keyRandom  = 4 // bytes of a key's id that tell apart what several processes made
	keyMode    = 0o600
	maxKeyFile = 4096
)

// ErrNoKey says that a record's content cannot be read: its key was destroyed, or is wrapped by a master key that is not here.
var ErrNoKey = errors.New("the key of the record's content is not here")

// OpenKeys reads the master keys: a file with 32 bytes in Base64 on each line, the newest first; lines that begin with # do not count.
// folder is that of the log.
func OpenKeys(folder, masterFile string) (*Keys, error) {
	text, err := os.ReadFile(masterFile)
	if err != nil {
		return nil, err
	}
	k := &Keys{folder: folder, byMonth: map[string]*dataKey{}, byID: map[string]*dataKey{}}
	for n, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(raw) != keyLength {
			return nil, fmt.Errorf("%s:%d: must be %d bytes in Base64", masterFile, n+1, keyLength)
		}
		sum := sha256.Sum256(raw)
		k.masters = append(k.masters, masterKey{hex.EncodeToString(sum[:8]), newAEAD(raw)})
	}
	if len(k.masters) == 0 {
		return nil, fmt.Errorf("%s: holds no key", masterFile)
	}
	return k, nil
}

func newAEAD(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the length is right
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // of AES it is always there
	}
	return aead
}

// content is what is encrypted of a record.
type content struct {
	Path   string `json:"path"`
	Digest string `json:"bodySha256"`
	Body   string `json:"body"`
}

// seal encrypts path, digest and body into the body. The record's own path must be masked already.
func (k *Keys) seal(r *Record, path string) error {
	key, err := k.current(r.System, r.Time)
	if err != nil {
		return fmt.Errorf("key of the exchange log: %w", err)
	}
	text, err := json.Marshal(content{path, r.Digest, r.Body})
	if err != nil {
		return err
	}
	r.KeyID = key.id
	r.Digest, r.Body = "", base64.StdEncoding.EncodeToString(encrypted(key.aead, text, r.bound()))
	return nil
}

// bound is what the content is authenticated with, so that it cannot be moved to another record.
func (r *Record) bound() []byte {
	return []byte(r.Stream().String() + "\n" + clean(r.RequestID, maxValue) + "\n" + r.KeyID)
}

func encrypted(aead cipher.AEAD, text, bound []byte) []byte {
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(text)+aead.Overhead())
	_, _ = rand.Read(nonce) // never fails
	return aead.Seal(nonce, nonce, text, bound)
}

func decrypted(aead cipher.AEAD, sealed, bound []byte) ([]byte, error) {
	if len(sealed) < aead.NonceSize() {
		return nil, errors.New("too short")
	}
	return aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], bound)
}

// Open returns a copy of the record with its path, digest and body as they would be without encryption; one that is not
// encrypted as it is. Without the key the error is ErrNoKey.
func (k *Keys) Open(r *Record) (*Record, error) {
	opened := *r
	if r.KeyID == "" {
		return &opened, nil
	}
	key, err := k.byName(r.System, r.KeyID)
	if err != nil {
		return nil, err
	}
	sealed, err := base64.StdEncoding.DecodeString(r.Body)
	if err != nil {
		return nil, fmt.Errorf("record %d: content: %w", r.Seq, err)
	}
	text, err := decrypted(key.aead, sealed, r.bound())
	if err != nil {
		return nil, fmt.Errorf("record %d: content: %w", r.Seq, err)
	}
	var c content
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("record %d: content: %w", r.Seq, err)
	}
	opened.KeyID, opened.Path, opened.Digest, opened.Body = "", clean(c.Path, maxPath), c.Digest, c.Body
	return &opened, nil
}

// current is the key of the system's Estonian month, made where there is none.
func (k *Keys) current(system string, at time.Time) (*dataKey, error) {
	month := system + "-" + at.In(tallinn).Format("2006-01")
	k.mu.Lock()
	defer k.mu.Unlock()
	if key := k.byMonth[month]; key != nil {
		return key, nil
	}
	folder := filepath.Join(k.folder, system, keyFolder)
	known, err := filepath.Glob(filepath.Join(folder, month+"-*"+keySuffix))
	if err != nil {
		return nil, err
	}
	for _, path := range known {
		if key, err := k.read(path); err == nil {
			k.byMonth[month] = key
			return key, nil
		}
	}
	key, err := k.create(folder, month)
	if err == nil {
		k.byMonth[month] = key
	}
	return key, err
}

// create makes a data key and keeps it, durably, before anything is encrypted with it.
func (k *Keys) create(folder, month string) (*dataKey, error) {
	raw := make([]byte, keyLength+keyRandom)
	_, _ = rand.Read(raw) // never fails
	id := month + "-" + hex.EncodeToString(raw[keyLength:])
	if err := makeFolder(folder); err != nil {
		return nil, err
	}
	if err := k.write(filepath.Join(folder, id+keySuffix), id, raw[:keyLength]); err != nil {
		return nil, err
	}
	return &dataKey{id, newAEAD(raw[:keyLength])}, nil
}

// write keeps a data key wrapped by the newest master key, in place of what the file was.
func (k *Keys) write(path, id string, raw []byte) error {
	text, err := json.Marshal(keyFile{id, k.masters[0].id, encrypted(k.masters[0].aead, raw, []byte(id))})
	if err != nil {
		return err
	}
	partial, err := os.CreateTemp(filepath.Dir(path), "new-*")
	if err != nil {
		return err
	}
	_, err = partial.Write(append(text, '\n'))
	if err = errors.Join(err, partial.Chmod(keyMode), partial.Sync(), partial.Close()); err == nil {
		err = os.Rename(partial.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(partial.Name()))
	}
	return syncFolder(filepath.Dir(path))
}

// byName is the key with the id.
func (k *Keys) byName(system, id string) (*dataKey, error) {
	if !systemName(system) || !replicaName(id) { // no way out of the folder
		return nil, fmt.Errorf("%w: %q", ErrNoKey, id)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if key := k.byID[id]; key != nil {
		return key, nil
	}
	key, err := k.read(filepath.Join(k.folder, system, keyFolder, id+keySuffix))
	if errors.Is(err, fs.ErrNotExist) {
		key, err = k.archived(system, id)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoKey, id)
	}
	if err == nil {
		k.byID[id] = key
	}
	return key, err
}

// Archived lets keys be found in the archives below folders as well. It is called before anything else.
func (k *Keys) Archived(folders ...string) { k.archives = folders }

func (k *Keys) archived(system, id string) (*dataKey, error) {
	for _, folder := range k.archives {
		paths, err := filepath.Glob(filepath.Join(folder, system, "*", keyFolder, id+keySuffix))
		if err != nil {
			return nil, err
		}
		if len(paths) > 0 {
			return k.read(paths[0])
		}
	}
	return nil, fs.ErrNotExist
}

// WrappedKey reads a data key of a log's folder as it is kept, fs.ErrNotExist where it was destroyed.
func WrappedKey(folder, system, id string) ([]byte, error) {
	if !systemName(system) || !replicaName(id) { // no way out of the folder
		return nil, fmt.Errorf("%w: %q", fs.ErrNotExist, id)
	}
	return os.ReadFile(filepath.Join(folder, system, keyFolder, id+keySuffix))
}

func (k *Keys) read(path string) (*dataKey, error) {
	wrapped, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	raw, err := k.unwrap(wrapped)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &dataKey{wrapped.KeyID, newAEAD(raw)}, nil
}

func readKeyFile(path string) (keyFile, error) {
	var wrapped keyFile
	text, err := os.ReadFile(path)
	if err != nil {
		return wrapped, err
	}
	if len(text) > maxKeyFile {
		return wrapped, fmt.Errorf("%s: is no key", path)
	}
	if err := json.Unmarshal(text, &wrapped); err != nil || wrapped.KeyID+keySuffix != filepath.Base(path) {
		return wrapped, fmt.Errorf("%s: is no key", path)
	}
	return wrapped, nil
}

func (k *Keys) unwrap(wrapped keyFile) ([]byte, error) {
	for _, master := range k.masters {
		if master.id != wrapped.Master {
			continue
		}
		raw, err := decrypted(master.aead, wrapped.Key, []byte(wrapped.KeyID))
		if err != nil || len(raw) != keyLength {
			return nil, errors.New("the wrapped key is damaged")
		}
		return raw, nil
	}
	return nil, fmt.Errorf("%w: it is wrapped by master key %s", ErrNoKey, wrapped.Master)
}

// Rewrap wraps every data key that an older master key wraps by the newest, and says how many. A key of none of the master keys is
// an error, and left as it is.
func (k *Keys) Rewrap() (int, error) {
	paths, err := filepath.Glob(filepath.Join(k.folder, "*", keyFolder, "*"+keySuffix))
	if err != nil {
		return 0, err
	}
	changed := 0
	var errs []error
	for _, path := range paths {
		wrapped, err := readKeyFile(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if wrapped.Master == k.masters[0].id {
			continue
		}
		raw, err := k.unwrap(wrapped)
		if err == nil {
			err = k.write(path, wrapped.KeyID, raw)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
			continue
		}
		changed++
	}
	return changed, errors.Join(errs...)
}
