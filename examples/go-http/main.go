// An ordinary net/http server. It knows nothing about Lambda: it listens on $PORT and answers.
package main

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const (
	pace     = 60 * time.Millisecond
	sentence = "Each of these words leaves Go the moment it is flushed, and reaches you before the next one is."
	// How long an answer may go on after SIGTERM. Lambda gives an environment two seconds in all.
	grace = 1500 * time.Millisecond
)

//go:embed static
var static embed.FS

func main() {
	log.SetFlags(0)
	stopping, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	server := &http.Server{
		Addr:              ":" + cmp.Or(os.Getenv("PORT"), "8080"),
		Handler:           routes(),
		ReadHeaderTimeout: 10 * time.Second,
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-stopping.Done()
		log.Println("stopping")
		patience, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		if err := server.Shutdown(patience); err != nil {
			log.Println("answers were cut off:", err)
		}
	}()

	log.Println("listening on", server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-stopped
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", index)
	mux.HandleFunc("GET /stream", stream)
	mux.HandleFunc("GET /sse", sse)
	mux.HandleFunc("POST /echo", echo)
	mux.HandleFunc("GET /file", file)
	mux.HandleFunc("POST /orders", order)
	return mux
}

func index(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, "Go is up. Try /stream, /sse, /echo, /file and POST /orders.\n")
}

func stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	writeWords(w, r, "%s\n")
}

func sse(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	if writeWords(w, r, "data: %s\n\n") {
		io.WriteString(w, "event: done\ndata: complete\n\n")
	}
}

// writeWords flushes one word after another and tells whether the client was there until the last one.
func writeWords(w http.ResponseWriter, r *http.Request, format string) bool {
	out := http.NewResponseController(w)
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for _, word := range strings.Fields(sentence) {
		select {
		case <-r.Context().Done():
			return false
		case <-tick.C:
		}
		fmt.Fprintf(w, format, word)
		if out.Flush() != nil {
			return false
		}
	}
	return true
}

func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", cmp.Or(r.Header.Get("Content-Type"), "application/octet-stream"))
	// HTTP/1 servers stop reading once they answer, unless told that this one does both at once.
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	io.Copy(w, r.Body)
}

func file(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, static, "static/logo.png")
}

// order answers at once, and packs behind the response.
func order(w http.ResponseWriter, r *http.Request) {
	inBackground(r, func() {
		for range 5 {
			time.Sleep(pace)
		}
		fmt.Println("order is packed")
	})
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, "accepted\n")
}
