// Acceptance program: etcd's own Go client, unmodified, against whatever listens at the endpoints.
//
//	acceptance <host:port,…> <prefix> <scenario>…
//
// The scenarios run at the same time, each under a prefix of its own, and each prints its lines as `scenario: …`, in
// an order and with values that are the same for every server that keeps etcd's promises: revisions are counted from
// the scenario's first, ids are not printed. `scenario? …` asks the caller for something; it answers with a line on
// standard input. Exit 1 with the reason if a scenario cannot go on.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/clientv3"
	"go.uber.org/zap"
)

type scenario struct {
	name      string
	endpoints []string
	client    *clientv3.Client
	prefix    string
	said      []string
}

var scenarios = map[string]func(*scenario){
	"txn":           txn,
	"refusedInside": refusedInside,
	"stm":           stm,
	"session":       session,
	"mutex":         mutex,
	"election":      election,
	"watch":         watch,
	"resume":        resume,
	"keepAliveOnce": keepAliveOnce,
	"leases":        leases,
	"channels":      channels,
	"requireLeader": requireLeader,
	"kubernetes":    kubernetes,
}

var answers = bufio.NewReader(os.Stdin)
var output sync.Mutex

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "acceptance <endpoints> <prefix> <scenario>...")
		os.Exit(2)
	}
	endpoints := strings.Split(os.Args[1], ",")
	var all sync.WaitGroup
	for _, name := range os.Args[3:] {
		run, known := scenarios[name]
		if !known {
			fail(name, "no such scenario")
		}
		s := &scenario{name: name, endpoints: endpoints, prefix: os.Args[2] + "/" + name + "/"}
		s.client = s.connect(endpoints)
		all.Add(1)
		go func() {
			defer all.Done()
			run(s)
			s.client.Close()
			output.Lock()
			fmt.Println(strings.Join(s.said, "\n"))
			output.Unlock()
		}()
	}
	all.Wait()
}

func (s *scenario) connect(endpoints []string) *clientv3.Client {
	quiet := zap.NewProductionConfig()
	quiet.Level = zap.NewAtomicLevelAt(zap.FatalLevel)
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: 10 * time.Second, LogConfig: &quiet})
	s.must(err)
	return client
}

// say adds a line to the transcript.
func (s *scenario) say(format string, values ...interface{}) {
	s.said = append(s.said, s.name+": "+fmt.Sprintf(format, values...))
}

// ask has the caller do something, and waits until it is done.
func (s *scenario) ask(what string) {
	output.Lock()
	defer output.Unlock()
	fmt.Println(s.name + "? " + what)
	_, err := answers.ReadString('\n')
	s.must(err)
}

func (s *scenario) must(err error) {
	if err != nil {
		fail(s.name, strings.Join(append(s.said, err.Error()), "\n"))
	}
}

func fail(name, why string) {
	fmt.Fprintf(os.Stderr, "%s: cannot go on: %s\n", name, why)
	os.Exit(1)
}

func within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

func (s *scenario) put(key, value string, opts ...clientv3.OpOption) *clientv3.PutResponse {
	ctx, cancel := within(10 * time.Second)
	defer cancel()
	answer, err := s.client.Put(ctx, s.prefix+key, value, opts...)
	s.must(err)
	return answer
}

func (s *scenario) get(key string, opts ...clientv3.OpOption) *clientv3.GetResponse {
	ctx, cancel := within(10 * time.Second)
	defer cancel()
	answer, err := s.client.Get(ctx, s.prefix+key, opts...)
	s.must(err)
	return answer
}

func (s *scenario) grant(ttl int64) clientv3.LeaseID {
	ctx, cancel := within(10 * time.Second)
	defer cancel()
	answer, err := s.client.Grant(ctx, ttl)
	s.must(err)
	return answer.ID
}

// keys are the live keys of the scenario below `under`, sorted, with their values.
func (s *scenario) keys(under string) string {
	pairs := []string{}
	for _, kv := range s.get(under, clientv3.WithPrefix()).Kvs {
		pairs = append(pairs, strings.TrimPrefix(string(kv.Key), s.prefix)+"="+string(kv.Value))
	}
	sort.Strings(pairs)
	return strings.Join(pairs, " ")
}

// eventually waits until the condition holds, at most 15 s.
func (s *scenario) eventually(what string, holds func() bool) {
	for end := time.Now().Add(15 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			fail(s.name, "in vain waited until "+what)
		}
	}
}
