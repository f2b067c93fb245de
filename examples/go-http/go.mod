module streamgate.example/go-http

go 1.24
