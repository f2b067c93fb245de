package main

import (
	"log"
	"net/http"
	"os"
)

const token = "X-Streamgate-Token"

// inBackground starts work that may outlast the response to r. Lambda freezes an environment once it has answered; this
// tells the adapter to hold it until the work is done. Where there is no adapter, there is nobody to tell. Call it before
// the handler returns.
func inBackground(r *http.Request, work func()) {
	own := r.Header.Get(token)
	tell(own, "/background")
	go func() {
		defer tell(own, "/background/done")
		work()
	}()
}

func tell(own, path string) {
	control := os.Getenv("STREAMGATE_CONTROL")
	if control == "" || own == "" {
		return
	}
	call, err := http.NewRequest(http.MethodPost, "http://"+control+path, nil)
	if err != nil {
		log.Println(err)
		return
	}
	call.Header.Set(token, own)
	answer, err := http.DefaultClient.Do(call)
	if err != nil {
		log.Println(err)
		return
	}
	answer.Body.Close()
}
