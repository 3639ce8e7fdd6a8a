package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/clientv3/concurrency"
)

// mutex: six holders, one at a time; waiters in the order of their keys; a dead holder lets the next one in.
func mutex(s *scenario) {
	inside, most, count := 0, 0, 0
	var guard sync.Mutex
	var all sync.WaitGroup
	for i := 0; i < 6; i++ {
		held, err := concurrency.NewSession(s.client, concurrency.WithTTL(10))
		s.must(err)
		m := concurrency.NewMutex(held, s.prefix+"lock")
		all.Add(1)
		go func() {
			defer all.Done()
			for round := 0; round < 5; round++ {
				s.must(m.Lock(context.Background()))
				guard.Lock()
				inside++
				if inside > most {
					most = inside
				}
				guard.Unlock()
				answer, err := s.client.Txn(context.Background()).If(m.IsOwner()).Then(clientv3.OpPut(s.prefix+"fenced", "x")).Commit()
				s.must(err)
				if answer.Succeeded {
					count++
				}
				guard.Lock()
				inside--
				guard.Unlock()
				s.must(m.Unlock(context.Background()))
			}
			s.must(held.Close())
		}()
	}
	all.Wait()
	s.say("%d turns, at most %d at a time; left: %q", count, most, s.keys("lock"))

	dying, err := concurrency.NewSession(s.client, concurrency.WithTTL(2))
	s.must(err)
	s.must(concurrency.NewMutex(dying, s.prefix+"lock").Lock(context.Background()))
	queue := make(chan string, 3)
	all.Add(3)
	for i := 0; i < 3; i++ {
		waiting, err := concurrency.NewSession(s.client, concurrency.WithTTL(10))
		s.must(err)
		name := fmt.Sprint("waiter ", i)
		m := concurrency.NewMutex(waiting, s.prefix+"lock")
		go func() {
			s.must(m.Lock(context.Background()))
			queue <- name
			s.must(m.Unlock(context.Background()))
			all.Done()
		}()
		s.eventually("it waits", func() bool { return len(s.get("lock", clientv3.WithPrefix()).Kvs) == i+2 })
	}
	ctx, cancel := within(300 * time.Millisecond)
	impatient, err := concurrency.NewSession(s.client, concurrency.WithTTL(10))
	s.must(err)
	s.say("with a deadline: %v", concurrency.NewMutex(impatient, s.prefix+"lock").Lock(ctx))
	cancel()
	// A deadline that passes while the key is being made leaves it there: it goes with the session.
	s.must(impatient.Close())
	dying.Orphan()
	s.say("after the holder's death: %s, %s, %s", <-queue, <-queue, <-queue)
	all.Wait()
	s.eventually("nobody waits", func() bool { return s.keys("lock") == "" })
}

// election: candidates in order, the leader's words, and the way down.
func election(s *scenario) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	run := func(ttl int) (*concurrency.Session, *concurrency.Election) {
		held, err := concurrency.NewSession(s.client, concurrency.WithTTL(ttl))
		s.must(err)
		return held, concurrency.NewElection(held, s.prefix+"e")
	}
	_, one := run(10)
	_, err := one.Leader(ctx)
	s.say("before: %v", err)
	heard := make(chan string, 16)
	go func() {
		for answer := range one.Observe(ctx) {
			heard <- string(answer.Kvs[0].Value)
		}
	}()
	s.must(one.Campaign(ctx, "one"))
	s.say("observed: %s", <-heard)
	s.must(one.Proclaim(ctx, "one again"))
	s.say("observed: %s", <-heard)
	dying, two := run(2)
	_, three := run(10)
	elected := make(chan string, 2)
	go func() { s.must(two.Campaign(ctx, "two")); elected <- "two" }()
	s.eventually("two waits", func() bool { return len(s.get("e", clientv3.WithPrefix()).Kvs) == 2 })
	go func() { s.must(three.Campaign(ctx, "three")); elected <- "three" }()
	s.eventually("three waits", func() bool { return len(s.get("e", clientv3.WithPrefix()).Kvs) == 3 })
	leader, err := one.Leader(ctx)
	s.must(err)
	s.say("leader: %s", leader.Kvs[0].Value)
	s.must(one.Resign(ctx))
	s.say("elected: %s, observed: %s", <-elected, <-heard)
	s.say("proclaimed after resigning: %v", one.Proclaim(ctx, "late"))
	dying.Orphan()
	s.say("elected: %s, observed: %s", <-elected, <-heard)
	s.say("a dead leader proclaims: %v", two.Proclaim(ctx, "late"))
	s.must(three.Resign(ctx))
	s.say("left: %q", strings.TrimSpace(s.keys("e")))
}
