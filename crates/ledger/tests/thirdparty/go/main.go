// Command logverify verifies a Chancery log with code that is not Chancery's: golang.org/x/mod/sumdb's tlog and
// note. It gets the files that the log serves and a verifier key, and nothing else.
//
//	logverify -key KEY [-old CHECKPOINT_FILE] BASE
//
// BASE is the log's prefix, an http or https URL or a folder. It verifies the checkpoint's signature, that every
// entry is included in the tree, and, with -old, that the tree goes on from an earlier checkpoint. A header that
// the server asks for comes from LOGVERIFY_AUTHORIZATION.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight   = 8
	tileWidth    = 1 << tileHeight
	fileBytesMax = 32 << 20
)

func main() {
	key := flag.String("key", "", "the log's verifier key")
	old := flag.String("old", "", "a file with an earlier checkpoint of the log")
	flag.Parse()
	if *key == "" || flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*key, *old, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "logverify:", err)
		os.Exit(1)
	}
}

func run(key, oldFile, base string) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return fmt.Errorf("verifier key: %w", err)
	}
	source := &source{base: strings.TrimSuffix(base, "/"), cache: map[string][]byte{}}
	signed, err := source.read("checkpoint")
	if err != nil {
		return err
	}
	origin, tree, err := openCheckpoint(signed, verifier)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	hashes := tlog.TileHashReader(tree, source)
	if err := checkEntries(source, tree, hashes); err != nil {
		return err
	}
	consistent := "no earlier checkpoint"
	if oldFile != "" {
		consistent, err = checkConsistency(oldFile, origin, tree, hashes, verifier)
		if err != nil {
			return fmt.Errorf("earlier checkpoint: %w", err)
		}
	}
	fmt.Printf("ok: %s, %d entries included, %s\n", origin, tree.N, consistent)
	return nil
}

// openCheckpoint verifies a checkpoint's signature and reads its three lines. tlog.ParseTree reads those of the
// Go checksum database only, whose first line is fixed.
func openCheckpoint(signed []byte, verifier note.Verifier) (string, tlog.Tree, error) {
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return "", tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return "", tlog.Tree{}, errors.New("not three lines")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return "", tlog.Tree{}, fmt.Errorf("size %q", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return "", tlog.Tree{}, fmt.Errorf("root %q", lines[2])
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return lines[0], tree, nil
}

// checkEntries verifies the inclusion of every entry.
func checkEntries(source *source, tree tlog.Tree, hashes tlog.HashReader) error {
	if tree.N == 0 {
		empty, err := tlog.TreeHash(0, hashes)
		if err != nil || empty != tree.Hash {
			return errors.New("the root of the empty tree is wrong")
		}
	}
	for first := int64(0); first < tree.N; first += tileWidth {
		width := min(tree.N-first, tileWidth)
		path := bundlePath(first/tileWidth, width)
		bundle, err := source.read(path)
		if err != nil {
			return err
		}
		records, err := split(bundle)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if int64(len(records)) != width {
			return fmt.Errorf("%s: %d entries, want %d", path, len(records), width)
		}
		for i, record := range records {
			if err := checkEntry(first+int64(i), record, tree, hashes); err != nil {
				return fmt.Errorf("entry %d: %w", first+int64(i), err)
			}
		}
	}
	return nil
}

func checkEntry(index int64, record []byte, tree tlog.Tree, hashes tlog.HashReader) error {
	proof, err := tlog.ProveRecord(tree.N, index, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(record))
}

func checkConsistency(
	file, origin string, tree tlog.Tree, hashes tlog.HashReader, verifier note.Verifier,
) (string, error) {
	signed, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	oldOrigin, old, err := openCheckpoint(signed, verifier)
	if err != nil {
		return "", err
	}
	if oldOrigin != origin {
		return "", fmt.Errorf("it is of %s", oldOrigin)
	}
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err != nil {
		return "", err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return "", err
	}
	return fmt.Sprintf("consistent with the checkpoint of %d", old.N), nil
}

// split reads an entry bundle: each entry after its length as a big-endian uint16.
func split(bundle []byte) ([][]byte, error) {
	var records [][]byte
	for len(bundle) > 0 {
		if len(bundle) < 2 {
			return nil, errors.New("it ends within a length")
		}
		length := int(binary.BigEndian.Uint16(bundle))
		bundle = bundle[2:]
		if len(bundle) < length {
			return nil, errors.New("it ends within an entry")
		}
		records = append(records, bundle[:length])
		bundle = bundle[length:]
	}
	return records, nil
}

func bundlePath(n, width int64) string {
	tile := tlog.Tile{H: tileHeight, L: 0, N: n, W: int(width)}
	return strings.Replace(tilePath(tile), "tile/0/", "tile/entries/", 1)
}

// tilePath is a tile's path in tlog-tiles, which leaves out the height that the Go checksum database has in it.
func tilePath(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight), "tile/", 1)
}

// source reads the files that the log serves, each once.
type source struct {
	base  string
	cache map[string][]byte
}

func (s *source) Height() int { return tileHeight }

func (s *source) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		path := tilePath(tile)
		bytes, ok := s.cache[path]
		if !ok {
			var err error
			if bytes, err = s.read(path); err != nil {
				return nil, err
			}
			s.cache[path] = bytes
		}
		data[i] = bytes
	}
	return data, nil
}

func (s *source) SaveTiles([]tlog.Tile, [][]byte) {}

func (s *source) read(path string) ([]byte, error) {
	if !strings.HasPrefix(s.base, "http://") && !strings.HasPrefix(s.base, "https://") {
		return os.ReadFile(filepath.Join(s.base, filepath.FromSlash(path)))
	}
	request, err := http.NewRequest(http.MethodGet, s.base+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	if authorization := os.Getenv("LOGVERIFY_AUTHORIZATION"); authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	client := http.Client{Timeout: 30 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, fileBytesMax+1))
	if err == nil && len(body) > fileBytesMax {
		err = fmt.Errorf("%s: over %d bytes", path, fileBytesMax)
	}
	return body, err
}
