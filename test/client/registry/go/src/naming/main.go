// etcd's own gRPC naming for Go, unmodified, on one service.
//
//	naming <host:port,…> <service>
//
// Does what it is told on standard input, a line each, and answers with a line: `list` the endpoints, `add KEY ADDR` one
// under a lease, `who` answers the call of a channel that its resolver has found the way for.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/clientv3/naming/endpoints"
	"go.etcd.io/etcd/clientv3/naming/resolver"
	"google.golang.org/grpc"
)

// Bytes as they are.
type raw struct{}

func (raw) Marshal(v interface{}) ([]byte, error)      { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v interface{}) error { *v.(*[]byte) = data; return nil }
func (raw) Name() string                               { return "raw" }

func main() {
	service := os.Args[2]
	client, err := clientv3.New(clientv3.Config{Endpoints: strings.Split(os.Args[1], ","), DialTimeout: 10 * time.Second})
	must(err)
	manager, err := endpoints.NewManager(client, service)
	must(err)
	builder, err := resolver.NewBuilder(client)
	must(err)
	// Unasked, Go names the service as the authority, and servers on Node's HTTP/2 take none with a slash.
	options := []grpc.DialOption{grpc.WithResolvers(builder), grpc.WithInsecure(), grpc.WithAuthority("users")}
	channel, err := grpc.Dial("etcd:///"+service, options...)
	must(err)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		switch words := strings.Fields(lines.Text()); words[0] {
		case "list":
			found, err := manager.List(ctx)
			must(err)
			said := []string{}
			for key, endpoint := range found {
				metadata, err := json.Marshal(endpoint.Metadata)
				must(err)
				said = append(said, key+" "+endpoint.Addr+" "+string(metadata))
			}
			sort.Strings(said)
			fmt.Println(strings.Join(said, "; "))
		case "add":
			lease, err := client.Grant(ctx, 60)
			must(err)
			endpoint := endpoints.Endpoint{Addr: words[2], Metadata: map[string]string{"by": "go"}}
			must(manager.AddEndpoint(ctx, words[1], endpoint, clientv3.WithLease(lease.ID)))
			fmt.Println("added")
		case "who":
			asked, answer := []byte{}, []byte{}
			call := []grpc.CallOption{grpc.ForceCodec(raw{}), grpc.WaitForReady(true)}
			must(channel.Invoke(ctx, "/test.Names/Who", &asked, &answer, call...))
			fmt.Println(string(answer))
		}
		cancel()
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
