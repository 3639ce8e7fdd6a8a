package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/clientv3/concurrency"
	"go.etcd.io/etcd/etcdserver/etcdserverpb"
	"go.etcd.io/etcd/mvcc/mvccpb"
)

// txn: compares of every target, both branches, nesting, and what is refused as a whole.
func txn(s *scenario) {
	p := s.prefix
	base := s.put("a", "1").Header.Revision
	lease := s.grant(60)
	s.put("b", "2", clientv3.WithLease(lease))
	commit := func(what string, cmps []clientv3.Cmp, then, otherwise []clientv3.Op) {
		ctx, cancel := within(10 * time.Second)
		defer cancel()
		answer, err := s.client.Txn(ctx).If(cmps...).Then(then...).Else(otherwise...).Commit()
		if err != nil {
			s.say("%s: %v", what, err)
			return
		}
		s.say("%s: %v at +%d: %s", what, answer.Succeeded, answer.Header.Revision-base, said(answer.Responses, p, base))
	}
	get := []clientv3.Op{clientv3.OpGet(p, clientv3.WithPrefix())}
	for _, c := range []struct {
		what string
		cmp  clientv3.Cmp
	}{
		{"value =", clientv3.Compare(clientv3.Value(p+"a"), "=", "1")},
		{"value >", clientv3.Compare(clientv3.Value(p+"a"), ">", "1")},
		{"version <", clientv3.Compare(clientv3.Version(p+"a"), "<", 2)},
		{"create !=", clientv3.Compare(clientv3.CreateRevision(p+"a"), "!=", base)},
		{"mod =", clientv3.Compare(clientv3.ModRevision(p+"a"), "=", base)},
		{"lease =", clientv3.Compare(clientv3.LeaseValue(p+"b"), "=", lease)},
		{"lease of none", clientv3.Compare(clientv3.LeaseValue(p+"a"), "=", clientv3.NoLease)},
		{"missing create", clientv3.Compare(clientv3.CreateRevision(p+"none"), "=", 0)},
		{"missing value", clientv3.Compare(clientv3.Value(p+"none"), "=", "")},
		{"prefix version", clientv3.Compare(clientv3.Version(p), "=", 1).WithPrefix()},
		{"prefix value", clientv3.Compare(clientv3.Value(p), "=", "1").WithPrefix()},
	} {
		commit(c.what, []clientv3.Cmp{c.cmp}, get, nil)
	}
	yes := []clientv3.Cmp{clientv3.Compare(clientv3.Version(p+"a"), ">", 0)}
	no := []clientv3.Cmp{clientv3.Compare(clientv3.Version(p+"a"), "=", 0)}
	commit("writes", yes, []clientv3.Op{
		clientv3.OpPut(p+"a", "11", clientv3.WithPrevKV()), clientv3.OpGet(p + "a"),
		clientv3.OpDelete(p+"b", clientv3.WithPrevKV()), clientv3.OpGet(p + "b"),
	}, nil)
	commit("else", no, get, []clientv3.Op{clientv3.OpPut(p+"c", "3"), clientv3.OpGet(p+"c", clientv3.WithKeysOnly())})
	commit("nested", yes, []clientv3.Op{
		clientv3.OpPut(p+"n1", "x"),
		clientv3.OpTxn(no, nil, []clientv3.Op{clientv3.OpPut(p+"n2", "y"), clientv3.OpTxn(yes, get, nil)}),
		clientv3.OpGet(p + "n2"),
	}, nil)
	commit("same key twice", yes, []clientv3.Op{clientv3.OpPut(p+"d", "1"), clientv3.OpPut(p+"d", "2")}, nil)
	commit("unknown lease", yes, []clientv3.Op{
		clientv3.OpPut(p+"d", "1"), clientv3.OpPut(p+"e", "2", clientv3.WithLease(12345)),
	}, nil)
	commit("unknown lease in the other branch", yes, nil, []clientv3.Op{clientv3.OpPut(p+"e", "2", clientv3.WithLease(12345))})
	s.say("left: %s", s.keys(""))
}

// refusedInside: a read that a txn cannot serve refuses all of it. Not for etcd 3.4: there the member that was asked refuses, the
// others do not hear of it and write, and from then on they differ.
func refusedInside(s *scenario) {
	s.put("a", "1")
	for i := range s.endpoints {
		one := s.connect(s.endpoints[i : i+1])
		ctx, cancel := within(10 * time.Second)
		_, err := one.Txn(ctx).Then(clientv3.OpPut(s.prefix+"a", "2"), clientv3.OpGet(s.prefix+"a", clientv3.WithRev(1<<40))).Commit()
		s.say("member %d: %v", i, err)
		answer, err := one.Get(ctx, s.prefix+"a")
		s.must(err)
		s.say("member %d: a=%s v%d", i, answer.Kvs[0].Value, answer.Kvs[0].Version)
		cancel()
		one.Close()
	}
}

// said puts the answers of a txn in words.
func said(answers []*etcdserverpb.ResponseOp, prefix string, base int64) string {
	words := []string{}
	for _, each := range answers {
		switch answer := each.Response.(type) {
		case *etcdserverpb.ResponseOp_ResponsePut:
			words = append(words, fmt.Sprintf("put over %q", valueOf(answer.ResponsePut.PrevKv)))
		case *etcdserverpb.ResponseOp_ResponseDeleteRange:
			words = append(words, fmt.Sprintf("deleted %d, %d shown", answer.ResponseDeleteRange.Deleted, len(answer.ResponseDeleteRange.PrevKvs)))
		case *etcdserverpb.ResponseOp_ResponseTxn:
			words = append(words, fmt.Sprintf("txn %v (%s)", answer.ResponseTxn.Succeeded, said(answer.ResponseTxn.Responses, prefix, base)))
		case *etcdserverpb.ResponseOp_ResponseRange:
			got := []string{}
			for _, kv := range answer.ResponseRange.Kvs {
				got = append(got, fmt.Sprintf("%s=%s v%d +%d", strings.TrimPrefix(string(kv.Key), prefix), kv.Value, kv.Version, kv.ModRevision-base))
			}
			words = append(words, fmt.Sprintf("got %d [%s]", answer.ResponseRange.Count, strings.Join(got, ", ")))
		}
	}
	return strings.Join(words, "; ")
}

func valueOf(kv *mvccpb.KeyValue) string {
	if kv == nil {
		return ""
	}
	return string(kv.Value)
}

// stm: software transactions of the concurrency package; eight writers move money about, none is made or lost. By one
// member: the package reads at a revision that another member may not have yet, and ends when it is told so.
func stm(s *scenario) {
	client := s.connect(s.endpoints[:1])
	defer client.Close()
	for i := 0; i < 4; i++ {
		s.put(fmt.Sprint("account", i), "100")
	}
	var all sync.WaitGroup
	for writer := 0; writer < 8; writer++ {
		from, to := s.prefix+fmt.Sprint("account", writer%4), s.prefix+fmt.Sprint("account", (writer+1)%4)
		all.Add(1)
		go func() {
			defer all.Done()
			for i := 0; i < 5; i++ {
				_, err := concurrency.NewSTM(client, func(t concurrency.STM) error {
					var a, b int
					fmt.Sscan(t.Get(from), &a)
					fmt.Sscan(t.Get(to), &b)
					t.Put(from, fmt.Sprint(a-7))
					t.Put(to, fmt.Sprint(b+7))
					return nil
				}, concurrency.WithIsolation(concurrency.Serializable))
				s.must(err)
			}
		}()
	}
	all.Wait()
	s.say("in the end: %s", s.keys("account"))
}

// kubernetes: what the apiserver's storage does: optimistic writes with a lease, paging at one revision, a watch from a revision.
func kubernetes(s *scenario) {
	p := s.prefix
	lease := s.grant(60)
	create := func(key, value string) (bool, int64) {
		ctx, cancel := within(10 * time.Second)
		defer cancel()
		answer, err := s.client.KV.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(p+key), "=", 0)).
			Then(clientv3.OpPut(p+key, value, clientv3.WithLease(lease))).Commit()
		s.must(err)
		return answer.Succeeded, answer.Header.Revision
	}
	made, base := create("pods/a", "v1")
	again, _ := create("pods/a", "v2")
	s.say("created %v, again %v", made, again)
	for _, name := range []string{"b", "c", "d", "e"} {
		create("pods/"+name, "v1")
	}
	update := func(key string, expected int64, op clientv3.Op) {
		ctx, cancel := within(10 * time.Second)
		defer cancel()
		answer, err := s.client.KV.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(p+key), "=", expected)).
			Then(op).Else(clientv3.OpGet(p + key)).Commit()
		s.must(err)
		s.say("update %s of +%d: %v, %s", key, expected-base, answer.Succeeded, said(answer.Responses, p, base))
	}
	update("pods/a", base, clientv3.OpPut(p+"pods/a", "v2", clientv3.WithLease(lease)))
	update("pods/a", base, clientv3.OpPut(p+"pods/a", "v3", clientv3.WithLease(lease)))
	update("pods/b", base+1, clientv3.OpDelete(p+"pods/b"))
	first := s.get("pods/", clientv3.WithPrefix(), clientv3.WithLimit(2))
	s.say("page 1: %d of %d, more %v", len(first.Kvs), first.Count, first.More)
	s.put("pods/z", "later")
	next := s.get("pods/c", clientv3.WithRange(clientv3.GetPrefixRangeEnd(p+"pods/")), clientv3.WithRev(first.Header.Revision))
	s.say("the rest at the same revision: %d, more %v", len(next.Kvs), next.More)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	events := 0
	watched := s.client.Watch(clientv3.WithRequireLeader(ctx), p+"pods/", clientv3.WithPrefix(), clientv3.WithRev(base), clientv3.WithPrevKV(), clientv3.WithProgressNotify())
	for answer := range watched {
		s.must(answer.Err())
		for _, event := range answer.Events {
			s.say("%s %s=%s, before %q, +%d", event.Type, strings.TrimPrefix(string(event.Kv.Key), p), event.Kv.Value, valueOf(event.PrevKv), event.Kv.ModRevision-base)
			events++
		}
		if events >= 8 {
			break
		}
	}
	// Who compacts is agreed on by the version of a key.
	compact := func(version, revision int64) {
		ctx, cancel := within(10 * time.Second)
		defer cancel()
		answer, err := s.client.KV.Txn(ctx).If(clientv3.Compare(clientv3.Version(p+"compact_rev_key"), "=", version)).
			Then(clientv3.OpPut(p+"compact_rev_key", fmt.Sprint(revision))).Else(clientv3.OpGet(p + "compact_rev_key")).Commit()
		s.must(err)
		s.say("compacts at version %d: %v", version, answer.Succeeded)
		if answer.Succeeded {
			_, err = s.client.Compact(ctx, revision)
			s.must(err)
		}
	}
	compact(0, base+6)
	compact(0, base+6)
	past, pastCancel := within(10 * time.Second)
	defer pastCancel()
	_, err := s.client.Get(past, p+"pods/", clientv3.WithPrefix(), clientv3.WithRev(base+5))
	s.say("page before: %v", err)
	for answer := range s.client.Watch(past, p+"pods/", clientv3.WithPrefix(), clientv3.WithRev(base+1)) {
		s.say("watch from before: %v, compacted at +%d", answer.Err(), answer.CompactRevision-base)
	}
	_, err = s.client.Revoke(context.Background(), lease)
	s.must(err)
	s.say("without the lease: %s", s.keys("pods/"))
}
