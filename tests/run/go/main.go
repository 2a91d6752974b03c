// An HTTP server and its clients, without libc: `serve ADDR`, `fetch ADDR N`; a resolver: `find NAME`.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var page = bytes.Repeat([]byte("go gopher "), 10000)

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func serve(addr string) {
	listener, err := net.Listen("tcp", addr)
	check(err)
	udp, err := net.ListenPacket("udp", addr)
	check(err)
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := udp.ReadFrom(buffer)
			if err != nil {
				return
			}
			udp.WriteTo(bytes.ToUpper(buffer[:n]), from)
		}
	}()
	http.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) { w.Write(page) })
	http.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	fmt.Println("serving", listener.Addr())
	check(http.Serve(listener, nil))
}

func fetch(addr string, n int) {
	var right int32
	var all sync.WaitGroup
	for i := 0; i < n; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			answer, err := http.Get("http://" + addr + "/page")
			check(err)
			body, err := io.ReadAll(answer.Body)
			check(err)
			answer.Body.Close()
			if bytes.Equal(body, page) {
				atomic.AddInt32(&right, 1)
			}
		}()
	}
	all.Wait()
	fmt.Printf("%d answers, %d right\n", n, right)

	host, _, _ := net.SplitHostPort(addr)
	_, err := net.DialTimeout("tcp", net.JoinHostPort(host, "9"), 10*time.Second)
	fmt.Println("refused:", errors.Is(err, syscall.ECONNREFUSED))

	client := http.Client{Timeout: 300 * time.Millisecond}
	_, err = client.Get("http://" + addr + "/slow")
	fmt.Println("timeout:", os.IsTimeout(err))

	conn, err := net.Dial("udp", addr)
	check(err)
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	conn.Write([]byte("hello"))
	buffer := make([]byte, 100)
	got, err := conn.Read(buffer)
	check(err)
	fmt.Printf("datagram: %s\n", buffer[:got])
}

func main() {
	switch os.Args[1] {
	case "serve":
		serve(os.Args[2])
	case "find":
		found, err := net.LookupHost(os.Args[2])
		check(err)
		fmt.Println(found)
		return
	}
	n, _ := strconv.Atoi(os.Args[3])
	fetch(os.Args[2], n)
}
