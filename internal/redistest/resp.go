package redistest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// readRequest reads one request and returns its words and its bytes as they came.
func readRequest(r *bufio.Reader) (args []string, raw []byte, err error) {
	first, err := r.Peek(1)
	if err != nil {
		return nil, nil, err
	}
	if first[0] != '*' {
		line, err := r.ReadBytes('\n')
		return strings.Fields(string(line)), line, err
	}
	collect := func(bulk []byte) { args = append(args, string(bulk)) }
	raw, err = readValue(r, nil, collect)
	return args, raw, err
}

// readReply reads one reply and returns its bytes as they came.
func readReply(r *bufio.Reader) ([]byte, error) {
	return readValue(r, nil, func([]byte) {})
}

// readValue appends the bytes of one RESP value to raw and tells bulk about each
// bulk string in it.
func readValue(r *bufio.Reader, raw []byte, bulk func([]byte)) ([]byte, error) {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	raw = append(raw, line...)
	switch kind := line[0]; kind {
	case '+', '-', ':', '_', ',', '#', '(':
		return raw, nil
	case '$', '=', '!':
		return readBulk(r, raw, line, bulk)
	case '*', '~', '>', '%':
		return readMany(r, raw, line, bulk)
	default:
		return nil, fmt.Errorf("resp: no value starts with %q", kind)
	}
}

func readBulk(r *bufio.Reader, raw, line []byte, bulk func([]byte)) ([]byte, error) {
	size, err := length(line)
	if err != nil || size < 0 {
		return raw, err
	}
	text := bytes.NewBuffer(raw)
	if _, err := io.CopyN(text, r, int64(size)+2); err != nil { // 2 for \r\n
		return nil, err
	}
	raw = text.Bytes()
	bulk(raw[len(raw)-size-2 : len(raw)-2])
	return raw, nil
}

func readMany(r *bufio.Reader, raw, line []byte, bulk func([]byte)) ([]byte, error) {
	count, err := length(line)
	if line[0] == '%' {
		count *= 2
	}
	for range count {
		if err != nil {
			return nil, err
		}
		raw, err = readValue(r, raw, bulk)
	}
	return raw, err
}

// length is the number after a value's first byte; -1 stands for nothing at all.
func length(line []byte) (int, error) {
	const most = 512 << 20 // what Redis allows
	n, err := strconv.Atoi(strings.TrimSpace(string(line[1:])))
	if err != nil || n < -1 || n > most {
		return 0, fmt.Errorf("resp: %q is no length", line)
	}
	return n, nil
}
