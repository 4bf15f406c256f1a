// README.md of this folder, in Go with its standard library; HTTP by the imports of wasi:http.
package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// area is where a function of the host leaves what does not fit one core value.
type area [10]uint64

func (a *area) bytes() []byte      { return unsafe.Slice((*byte)(unsafe.Pointer(a)), 80) }
func (a *area) word(at int) uint32 { return binary.LittleEndian.Uint32(a.bytes()[at:]) }

//go:wasmimport wasi:http/types@0.2.12 [constructor]fields
func fieldsNew() uint32

//go:wasmimport wasi:http/types@0.2.12 [method]fields.append
func fieldsAppend(fields uint32, name unsafe.Pointer, nameSize uint32, value unsafe.Pointer, valueSize uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [constructor]outgoing-request
func requestNew(headers uint32) uint32

//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-request.set-method
func requestSetMethod(request, method uint32, other unsafe.Pointer, otherSize uint32) uint32

//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-request.set-path-with-query
func requestSetPath(request, some uint32, path unsafe.Pointer, size uint32) uint32

//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-request.set-scheme
func requestSetScheme(request, some, scheme uint32, other unsafe.Pointer, otherSize uint32) uint32

//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-request.set-authority
func requestSetAuthority(request, some uint32, authority unsafe.Pointer, size uint32) uint32

//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-request.body
func requestBody(request uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-body.write
func outgoingBodyWrite(body uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [static]outgoing-body.finish
func outgoingBodyFinish(body, some, trailers uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [method]future-incoming-response.subscribe
func futureSubscribe(future uint32) uint32

//go:wasmimport wasi:http/types@0.2.12 [method]future-incoming-response.get
func futureGet(future uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [resource-drop]future-incoming-response
func futureDrop(future uint32)

//go:wasmimport wasi:http/types@0.2.12 [method]incoming-response.status
func responseStatus(response uint32) uint32

//go:wasmimport wasi:http/types@0.2.12 [method]incoming-response.consume
func responseConsume(response uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [resource-drop]incoming-response
func responseDrop(response uint32)

//go:wasmimport wasi:http/types@0.2.12 [method]incoming-body.stream
func incomingBodyStream(body uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [resource-drop]incoming-body
func incomingBodyDrop(body uint32)

//go:wasmimport wasi:http/outgoing-handler@0.2.12 handle
func handle(request, some, options uint32, result unsafe.Pointer)

//go:wasmimport wasi:io/poll@0.2.12 [method]pollable.block
func pollableBlock(pollable uint32)

//go:wasmimport wasi:io/poll@0.2.12 [resource-drop]pollable
func pollableDrop(pollable uint32)

//go:wasmimport wasi:io/streams@0.2.12 [method]input-stream.blocking-read
func blockingRead(stream uint32, size uint64, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.12 [resource-drop]input-stream
func inputDrop(stream uint32)

//go:wasmimport wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush
func blockingWrite(stream uint32, bytes unsafe.Pointer, size uint32, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.12 [resource-drop]output-stream
func outputDrop(stream uint32)

//go:wasmimport wasi:io/error@0.2.12 [resource-drop]error
func errorDrop(err uint32)

// hostArena is where the host puts lists: build.mjs finds it by its first bytes, and adds the allocators.
var hostArena = [1<<19 + 64]byte{'t', 'h', 'e', ' ', 'a', 'r', 'e', 'n', 'a', ' ', 'o', 'f', ' ', 't', 'h', 'e', ' ', 'h', 'o', 's', 't'}

func at(text string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(text)), uint32(len(text))
}

const (
	get  = 0
	post = 2
)

func makeRequest(method uint32, authority, path, id string) uint32 {
	headers := fieldsNew()
	var result area
	if id != "" {
		name, nameSize := at("x-request-id")
		value, valueSize := at(id)
		fieldsAppend(headers, name, nameSize, value, valueSize, unsafe.Pointer(&result))
	}
	request := requestNew(headers)
	requestSetMethod(request, method, nil, 0)
	requestSetScheme(request, 1, 0, nil, 0)
	text, size := at(authority)
	requestSetAuthority(request, 1, text, size)
	text, size = at(path)
	requestSetPath(request, 1, text, size)
	return request
}

func sendBody(body uint32, bytes []byte) bool {
	var result area
	outgoingBodyWrite(body, unsafe.Pointer(&result))
	stream := result.word(4)
	for len(bytes) > 0 && result.bytes()[0] == 0 {
		piece := bytes[:min(len(bytes), 4096)]
		blockingWrite(stream, unsafe.Pointer(&piece[0]), uint32(len(piece)), unsafe.Pointer(&result))
		bytes = bytes[len(piece):]
	}
	sent := result.bytes()[0] == 0
	outputDrop(stream)
	outgoingBodyFinish(body, 0, 0, unsafe.Pointer(&result))
	return sent && result.bytes()[0] == 0
}

func readBody(response uint32) ([]byte, error) {
	var result area
	var bytes []byte
	responseConsume(response, unsafe.Pointer(&result))
	body := result.word(4)
	incomingBodyStream(body, unsafe.Pointer(&result))
	stream := result.word(4)
	for {
		blockingRead(stream, 65536, unsafe.Pointer(&result))
		if result.bytes()[0] != 0 {
			break
		}
		bytes = append(bytes, unsafe.Slice((*byte)(unsafe.Pointer(uintptr(result.word(4)))), result.word(8))...)
	}
	var err error
	if result.bytes()[4] == 0 {
		errorDrop(result.word(8))
		err = errors.New("body")
	}
	inputDrop(stream)
	incomingBodyDrop(body)
	return bytes, err
}

// fetch gives status and body of the answer.
func fetch(method uint32, authority, path, id string, body []byte) (uint32, []byte, error) {
	var result area
	request := makeRequest(method, authority, path, id)
	var sink uint32
	if body != nil {
		requestBody(request, unsafe.Pointer(&result))
		sink = result.word(4)
	}
	handle(request, 0, 0, unsafe.Pointer(&result))
	if result.bytes()[0] != 0 {
		return 0, nil, fmt.Errorf("code %d", result.bytes()[8])
	}
	future := result.word(8)
	sent := body == nil || sendBody(sink, body)
	pollable := futureSubscribe(future)
	pollableBlock(pollable)
	pollableDrop(pollable)
	futureGet(future, unsafe.Pointer(&result))
	futureDrop(future)
	if result.bytes()[16] != 0 {
		return 0, nil, fmt.Errorf("code %d", result.bytes()[24])
	}
	response := result.word(24)
	status := responseStatus(response)
	bytes, err := readBody(response)
	responseDrop(response)
	if err == nil && !sent {
		err = errors.New("not sent")
	}
	return status, bytes, err
}

func digest(bytes []byte) uint32 {
	var sum uint32
	for _, b := range bytes {
		sum = sum*31 + uint32(b)
	}
	return sum
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func appendFile(path, text string) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	must(err)
	_, err = file.WriteString(text)
	must(err)
	must(file.Close())
}

func doClocks() {
	before, wall := time.Now(), time.Now()
	if time.Since(before) >= 0 && wall.Unix() > 1704067200 {
		fmt.Println("clock steady")
	} else {
		fmt.Println("clock odd")
	}
}

func doFiles() {
	must(os.Mkdir("/errand", 0o777))
	must(os.WriteFile("/errand/a.txt", []byte("one"), 0o666))
	must(os.WriteFile("/errand/b.txt", []byte("b"), 0o666))
	appendFile("/errand/a.txt", "two")
	must(os.Rename("/errand/b.txt", "/errand/c.txt"))
	entries, err := os.ReadDir("/errand")
	must(err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	sort.Strings(names)
	fmt.Println("files", strings.Join(names, " "))
	text, err := os.ReadFile("/errand/a.txt")
	must(err)
	fmt.Println("contents", string(text))
	about, err := os.Stat("/errand/a.txt")
	must(err)
	if _, err = os.Stat("/errand/b.txt"); about.Size() == 6 && errors.Is(err, os.ErrNotExist) {
		fmt.Println("size 6")
	} else {
		fmt.Println("size odd")
	}
}

func doRound(authority string, round int) {
	time.Sleep(5 * time.Millisecond)
	body := make([]byte, 1000)
	for i := range body {
		body[i] = byte(i % 251)
	}
	_, answer, err := fetch(post, authority, "/echo", strconv.Itoa(round), body)
	var said struct{ Size, Digest uint64 }
	if err == nil {
		err = json.Unmarshal(answer, &said)
	}
	if err != nil {
		fmt.Println("round", round, "error", err)
		return
	}
	appendFile("/errand/log", fmt.Sprintf("%d %d\n", said.Size, said.Digest))
	fmt.Println("round", round, said.Size, said.Digest)
}

func doOtherRequests(authority string) {
	_, large, err := fetch(get, authority, "/bytes/1000000", "", nil)
	must(err)
	fmt.Println("large", len(large), digest(large))
	status, _, _ := fetch(get, authority, "/nothing", "", nil)
	fmt.Println("missing", status)
	if _, _, err = fetch(get, "localhost:9", "/", "", nil); err != nil {
		fmt.Println("refused")
	} else {
		fmt.Println("refused odd")
	}
}

func main() {
	if hostArena[0] != 't' { // keeps it from being left out
		panic("damaged")
	}
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: errand AUTHORITY ROUNDS")
		os.Exit(2)
	}
	fmt.Println("greeting", os.Getenv("GREETING"))
	doClocks()
	doFiles()
	rounds, err := strconv.Atoi(os.Args[2])
	must(err)
	for round := 0; round < rounds; round++ {
		doRound(os.Args[1], round)
	}
	doOtherRequests(os.Args[1])
	var log []byte
	if rounds > 0 {
		log, err = os.ReadFile("/errand/log")
		must(err)
	}
	fmt.Println("log", len(log), digest(log))
}
