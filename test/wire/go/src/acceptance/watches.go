package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/clientv3"
)

// watch: from a revision, by prefix, filtered, with what was there before, asked for progress, cancelled.
func watch(s *scenario) {
	p := s.prefix
	base := s.put("a", "1").Header.Revision
	s.put("a", "2")
	_, err := s.client.Delete(context.Background(), p+"a")
	s.must(err)
	lease := s.grant(60)
	s.put("c", "3", clientv3.WithLease(lease))
	s.put("b", "4", clientv3.WithLease(lease))
	_, err = s.client.Revoke(context.Background(), lease)
	s.must(err)
	s.put("end", "5")
	read := func(what string, last string, opts ...clientv3.OpOption) {
		ctx, cancel := within(15 * time.Second)
		defer cancel()
		for answer := range s.client.Watch(ctx, p, append(opts, clientv3.WithPrefix())...) {
			if answer.Created {
				s.say("%s: created", what)
			}
			s.must(answer.Err())
			for _, event := range answer.Events {
				key := strings.TrimPrefix(string(event.Kv.Key), p)
				s.say("%s: %s %s=%s +%d v%d create %v before %q", what, event.Type, key, event.Kv.Value, event.Kv.ModRevision-base, event.Kv.Version, event.IsCreate(), valueOf(event.PrevKv))
				if key == last {
					return
				}
			}
		}
		s.say("%s: ended early", what)
	}
	read("all", "end", clientv3.WithRev(base))
	read("with before", "end", clientv3.WithRev(base), clientv3.WithPrevKV(), clientv3.WithCreatedNotify())
	read("puts only", "end", clientv3.WithRev(base), clientv3.WithFilterDelete())
	read("deletes only", "b", clientv3.WithRev(base), clientv3.WithFilterPut())
	read("fragments", "end", clientv3.WithRev(base+3), clientv3.WithFragment())

	ctx, cancel := context.WithCancel(context.Background())
	idle := s.client.Watch(ctx, p+"idle", clientv3.WithCreatedNotify())
	<-idle
	s.must(s.client.RequestProgress(ctx))
	select {
	case answer := <-idle:
		s.say("asked for progress: %v, at the end or later: %v", answer.IsProgressNotify(), answer.Header.Revision >= base+6)
	case <-time.After(10 * time.Second):
		s.say("asked for progress in vain")
	}
	cancel()
	for range idle {
	}
	s.say("a cancelled watch ends")
}

// resume: the member that a watch hangs on is killed in the middle of a stream of puts; nothing is missing, nothing comes twice.
func resume(s *scenario) {
	writer := s.connect(s.endpoints[1:])
	defer writer.Close()
	reader := s.connect(s.endpoints[:1])
	defer reader.Close()
	ctx, cancel := within(40 * time.Second)
	defer cancel()
	events := reader.Watch(ctx, s.prefix, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-events
	reader.SetEndpoints(s.endpoints...)
	done := make(chan int)
	go func() {
		for i := 0; i < 400; i++ {
			// A put whose answer was lost may be there all the same: the same value again is told from the next one.
			for {
				putCtx, putCancel := within(5 * time.Second)
				_, err := writer.Put(putCtx, s.prefix+"k", fmt.Sprintf("%04d", i))
				putCancel()
				if err == nil {
					break
				}
			}
			if i == 100 {
				s.ask("kill the first member")
			}
		}
		done <- 400
	}()
	seen, last, revision := 0, "", int64(0)
	for last != "0399" {
		answer, open := <-events
		if !open {
			fail(s.name, fmt.Sprintf("the watch ended after %d events", seen))
		}
		s.must(answer.Err())
		for _, event := range answer.Events {
			value := string(event.Kv.Value)
			if event.Kv.ModRevision <= revision {
				fail(s.name, fmt.Sprintf("revision %d after %d", event.Kv.ModRevision, revision))
			}
			if value != last && value != fmt.Sprintf("%04d", seen) {
				fail(s.name, fmt.Sprintf("%s after %s", value, last))
			}
			if value != last {
				seen++
			}
			last, revision = value, event.Kv.ModRevision
		}
	}
	s.say("%d values seen, all in order", seen)
	s.ask("start the first member again")
	<-done
}
