package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/clientv3/concurrency"
)

// leases: the five calls, and what the dead answer.
func leases(s *scenario) {
	ctx, cancel := within(20 * time.Second)
	defer cancel()
	for _, ttl := range []int64{0, 1, 2, 60, 9000000000} {
		answer, err := s.client.Grant(ctx, ttl)
		s.must(err)
		s.say("grant %d: %d", ttl, answer.TTL)
	}
	_, err := s.client.Grant(ctx, 9000000001)
	s.say("grant of too much: %v", err)
	id := s.grant(60)
	s.put("b", "1", clientv3.WithLease(id))
	s.put("a", "1", clientv3.WithLease(id))
	asked, err := s.client.TimeToLive(ctx, id, clientv3.WithAttachedKeys())
	s.must(err)
	s.say("time to live: %v of %d, %d keys", asked.TTL > 55, asked.GrantedTTL, len(asked.Keys))
	listed, err := s.client.Leases(ctx)
	s.must(err)
	found := false
	for _, lease := range listed.Leases {
		found = found || lease.ID == id
	}
	s.say("listed: %v", found)
	_, err = s.client.Revoke(ctx, id)
	s.must(err)
	s.say("after the revoke: %q", s.keys(""))
	_, err = s.client.Revoke(ctx, id)
	s.say("revoke again: %v", err)
	asked, err = s.client.TimeToLive(ctx, id)
	s.must(err)
	s.say("time to live of the dead: %d of %d", asked.TTL, asked.GrantedTTL)
	_, err = s.client.KeepAliveOnce(ctx, id)
	s.say("keep-alive of the dead: %v", err)
	ch, err := s.client.KeepAlive(ctx, id)
	s.must(err)
	_, open := <-ch
	s.say("the channel of the dead is open: %v", open)
}

// keepAliveOnce: 2,000 calls, each a stream that is reset at its end. None may fail, whatever becomes of the connections.
func keepAliveOnce(s *scenario) {
	id := s.grant(60)
	calls := make(chan int)
	var all sync.WaitGroup
	for i := 0; i < 8; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for range calls {
				ctx, cancel := within(30 * time.Second)
				answer, err := s.client.KeepAliveOnce(ctx, id)
				cancel()
				s.must(err)
				if answer.TTL != 60 {
					fail(s.name, fmt.Sprint("a TTL of ", answer.TTL))
				}
			}
		}()
	}
	for i := 0; i < 2000; i++ {
		calls <- i
	}
	close(calls)
	all.Wait()
	s.say("2000 calls")
}

// channels: a channel that nobody reads keeps its lease; a closed client says that it has halted; a lost context ends renewals.
func channels(s *scenario) {
	unread := s.grant(2)
	s.put("unread", "x", clientv3.WithLease(unread))
	_, err := s.client.KeepAlive(context.Background(), unread)
	s.must(err)
	left := s.grant(2)
	s.put("left", "x", clientv3.WithLease(left))
	ctx, cancel := context.WithCancel(context.Background())
	ch, err := s.client.KeepAlive(ctx, left)
	s.must(err)
	<-ch
	cancel()
	for range ch {
	}
	s.say("a channel ends with its context")
	s.eventually("the lease that nobody renews is gone", func() bool { return len(s.get("left").Kvs) == 0 })
	// Ten TTLs: more answers than the channel holds.
	time.Sleep(20 * time.Second)
	s.say("ten TTLs later: %s", s.keys(""))

	other := s.connect(s.endpoints)
	kept, err := other.KeepAlive(context.Background(), unread)
	s.must(err)
	<-kept
	s.must(other.Lease.Close())
	for range kept {
	}
	_, err = other.KeepAlive(context.Background(), unread)
	_, halted := err.(clientv3.ErrKeepAliveHalted)
	s.say("after Close a keep-alive has halted: %v", halted)
	other.Close()
}

// session: kept alive beyond its TTL, ended by Close, orphaned, and ended by somebody else's revoke.
func session(s *scenario) {
	one, err := concurrency.NewSession(s.client, concurrency.WithTTL(2))
	s.must(err)
	s.put("kept", "x", clientv3.WithLease(one.Lease()))
	orphan, err := concurrency.NewSession(s.client, concurrency.WithTTL(2))
	s.must(err)
	s.put("orphan", "x", clientv3.WithLease(orphan.Lease()))
	orphan.Orphan()
	s.eventually("the orphan is gone", func() bool { return len(s.get("orphan").Kvs) == 0 })
	time.Sleep(time.Second)
	s.say("after the orphan's end: %s", s.keys(""))
	s.must(one.Close())
	<-one.Done()
	s.say("after Close: %q", s.keys(""))
	two, err := concurrency.NewSession(s.client, concurrency.WithTTL(3))
	s.must(err)
	_, err = s.client.Revoke(context.Background(), two.Lease())
	s.must(err)
	select {
	case <-two.Done():
		s.say("a session whose lease is revoked is done")
	case <-time.After(10 * time.Second):
		s.say("a session whose lease was revoked goes on")
	}
}

// requireLeader: two keep-alives of one lease on one client; the member they talk to loses the others.
func requireLeader(s *scenario) {
	alone := s.connect(s.endpoints[:1])
	defer alone.Close()
	id := s.grant(30)
	guarded, err := alone.KeepAlive(clientv3.WithRequireLeader(context.Background()), id)
	s.must(err)
	patient, err := alone.KeepAlive(context.Background(), id)
	s.must(err)
	<-guarded
	s.ask("take the others away")
	ended := make(chan bool)
	go func() {
		for range guarded {
		}
		ended <- true
	}()
	select {
	case <-ended:
		s.say("the guarded one ends")
	case <-time.After(15 * time.Second):
		s.say("the guarded one goes on without a leader")
	}
	s.ask("bring the others back")
	answered := time.After(20 * time.Second)
	for {
		select {
		case answer, open := <-patient:
			if !open {
				s.say("the patient one ended")
				return
			}
			if answer.TTL == 30 {
				asked, err := s.client.TimeToLive(context.Background(), id)
				s.must(err)
				if asked.TTL >= 28 {
					s.say("the patient one goes on")
					return
				}
			}
		case <-answered:
			s.say("the patient one is silent")
			return
		}
	}
}
