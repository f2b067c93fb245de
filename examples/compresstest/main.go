// An upload measured under several codecs, for pages of any origin. An ordinary net/http server: it listens on $PORT.
package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log"
	"mime/multipart"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// How long an answer may go on after SIGTERM. Lambda gives an environment two seconds in all.
const grace = 1500 * time.Millisecond

//go:embed index.html
var page []byte

// measurement is the answer: sizes in bytes.
type measurement struct {
	Name    string           `json:"name"`
	Type    string           `json:"type"`
	Size    int64            `json:"size"`
	SHA256  string           `json:"sha256"`
	Encoded map[string]int64 `json:"encoded"`
}

func main() {
	log.SetFlags(0)
	stopping, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	server := &http.Server{
		Addr:              ":" + cmp.Or(os.Getenv("PORT"), "8080"),
		Handler:           routes(cmp.Or(os.Getenv("ALLOWED_ORIGIN"), "*")),
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

func routes(origin string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(page)
	})
	mux.HandleFunc("POST /measure", measure)
	mux.HandleFunc("OPTIONS /measure", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Methods", "POST")
		w.Header().Set("Access-Control-Allow-Headers", "content-type, x-amz-content-sha256")
		w.Header().Set("Access-Control-Max-Age", "3600")
		w.WriteHeader(http.StatusNoContent)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		if origin != "*" {
			w.Header().Set("Vary", "Origin")
		}
		mux.ServeHTTP(w, r)
	})
}

// measure reads the form's part "file" as it comes: nothing of it is kept.
func measure(w http.ResponseWriter, r *http.Request) {
	form, err := r.MultipartReader()
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnsupportedMediaType)
		return
	}
	for {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			http.Error(w, `the form has no part "file"`, http.StatusBadRequest)
			return
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		case part.FormName() == "file":
			measurePart(w, part)
			return
		}
	}
}

func measurePart(w http.ResponseWriter, part *multipart.Part) {
	answer := measurement{
		Name:    part.FileName(),
		Type:    cmp.Or(part.Header.Get("Content-Type"), "application/octet-stream"),
		Encoded: make(map[string]int64),
	}
	encoders, sizes, err := encoders()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	digest := sha256.New()
	all := []io.Writer{digest}
	for _, encoder := range encoders {
		all = append(all, encoder)
	}
	if answer.Size, err = io.Copy(io.MultiWriter(all...), part); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer.SHA256 = hex.EncodeToString(digest.Sum(nil))
	for name, encoder := range encoders {
		if err := encoder.Close(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer.Encoded[name] = int64(*sizes[name])
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

// count is a writer that keeps the number of bytes alone.
type count int64

func (c *count) Write(data []byte) (int, error) {
	*c += count(len(data))
	return len(data), nil
}

// encoders are one for each content coding, at its default level, with the size of what has come out of each so far.
func encoders() (map[string]io.WriteCloser, map[string]*count, error) {
	sizes := map[string]*count{"gzip": new(count), "deflate": new(count), "br": new(count), "zstd": new(count)}
	zstandard, err := zstd.NewWriter(sizes["zstd"], zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, nil, err
	}
	return map[string]io.WriteCloser{
		"gzip": gzip.NewWriter(sizes["gzip"]),
		// The coding of that name is zlib's format (RFC 9110, section 8.4.1.2).
		"deflate": zlib.NewWriter(sizes["deflate"]),
		"br":      brotli.NewWriter(sizes["br"]),
		"zstd":    zstandard,
	}, sizes, nil
}
