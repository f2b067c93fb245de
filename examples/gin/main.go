// An ordinary Gin app. It knows nothing about Lambda: it listens on $PORT and answers.
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

	"github.com/gin-gonic/gin"
)

const (
	pace     = 60 * time.Millisecond
	sentence = "Each of these words leaves Gin the moment it is flushed, and reaches you before the next one is."
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
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(gin.Recovery())
	router.GET("/", func(c *gin.Context) {
		c.String(http.StatusOK, "Gin is up. Try /stream, /sse, /echo, /file and POST /orders.\n")
	})
	router.GET("/stream", stream)
	router.GET("/sse", sse)
	router.POST("/echo", echo)
	router.GET("/file", func(c *gin.Context) { c.FileFromFS("static/logo.png", http.FS(static)) })
	router.POST("/orders", order)
	return router
}

func stream(c *gin.Context) {
	c.Header("Content-Type", "text/plain; charset=utf-8")
	eachWord(c, func(w io.Writer, word string) { io.WriteString(w, word+"\n") })
}

func sse(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	if eachWord(c, func(_ io.Writer, word string) { c.SSEvent("message", word) }) {
		c.SSEvent("done", "complete")
	}
}

// eachWord writes one word after another, each of which Gin flushes, and tells whether the client was there until the
// last one.
func eachWord(c *gin.Context, write func(io.Writer, string)) bool {
	words := strings.Fields(sentence)
	tick := time.NewTicker(pace)
	defer tick.Stop()
	c.Stream(func(w io.Writer) bool {
		select {
		case <-c.Request.Context().Done():
			return false
		case <-tick.C:
		}
		write(w, words[0])
		words = words[1:]
		return len(words) > 0
	})
	return len(words) == 0
}

func echo(c *gin.Context) {
	// HTTP/1 servers stop reading once they answer, unless told that this one does both at once.
	if err := http.NewResponseController(c.Writer).EnableFullDuplex(); err != nil {
		c.AbortWithError(http.StatusInternalServerError, err)
		return
	}
	contentType := cmp.Or(c.GetHeader("Content-Type"), "application/octet-stream")
	c.DataFromReader(http.StatusOK, c.Request.ContentLength, contentType, c.Request.Body, nil)
}

// order answers at once, and packs behind the response.
func order(c *gin.Context) {
	inBackground(c.Request, func() {
		for range 5 {
			time.Sleep(pace)
		}
		fmt.Println("order is packed")
	})
	c.String(http.StatusAccepted, "accepted\n")
}
