"""Acceptance program: python3-etcd3 (0.12 as Debian packages it), unmodified, against whatever listens at the endpoint.

    acceptance.py <host:port> <prefix> <scenario>...

Prints the same lines for every server that keeps etcd's promises: revisions are counted from the scenario's first, ids are not
printed.
"""
import io
import sys
import threading
import time

import etcd3


def kv(client, prefix, say):
    say('missing', client.get(prefix + 'none')[0])
    base = client.put(prefix + 'a', '1').header.revision
    client.put(prefix + 'a', '2')
    shown = client.put(prefix + 'a', '3', prev_kv=True)
    say('put over', shown.prev_kv.value)
    value, meta = client.get(prefix + 'a')
    say('get', value, meta.version, meta.create_revision - base, meta.mod_revision - base, meta.lease_id)
    say('serializable', client.get(prefix + 'a', serializable=True)[0])
    say('first', client.put_if_not_exists(prefix + 'b', 'x'), client.put_if_not_exists(prefix + 'b', 'y'))
    say('replace', client.replace(prefix + 'b', 'x', 'z'), client.replace(prefix + 'b', 'x', 'w'))
    for name in ('m', 'k', 'l'):
        client.put(prefix + 'r/' + name, name.upper())
    for order in (None, 'ascend', 'descend'):
        for target in ('key', 'version', 'create', 'mod', 'value'):
            found = client.get_prefix(prefix + 'r/', sort_order=order, sort_target=target)
            say('sorted', order, target, [value for value, _ in found])
    say('keys only', [(value, meta.key[len(prefix):]) for value, meta in client.get_prefix(prefix + 'r/', keys_only=True)])
    say('range', [value for value, _ in client.get_range(prefix + 'r/k', prefix + 'r/m')])
    odd = bytes(range(256))
    client.put(prefix + 'bytes', odd)
    say('bytes', client.get(prefix + 'bytes')[0] == odd)
    gone = client.delete(prefix + 'a', prev_kv=True, return_response=True)
    say('deleted', gone.deleted, [kv.value for kv in gone.prev_kvs], client.delete(prefix + 'a'))
    say('deleted prefix', client.delete_prefix(prefix + 'r/').deleted)


def txn(client, prefix, say):
    t = client.transactions
    base = client.put(prefix + 'a', '1').header.revision
    for name, compare in (
            ('value', t.value(prefix + 'a') == '1'), ('value less', t.value(prefix + 'a') < '1'),
            ('version', t.version(prefix + 'a') > 0), ('create', t.create(prefix + 'none') == 0),
            ('mod', t.mod(prefix + 'a') != base)):
        ok, answers = client.transaction(compare=[compare], success=[t.get(prefix + 'a')], failure=[])
        say(name, ok, [[(value, meta.version) for value, meta in answer] for answer in answers])
    ok, answers = client.transaction(
        compare=[t.value(prefix + 'a') == '1', t.version(prefix + 'a') == 1],
        success=[t.put(prefix + 'a', '2'), t.delete(prefix + 'b'), t.get(prefix + 'a')],
        failure=[t.put(prefix + 'failed', 'x')])
    say('writes', ok, len(answers), [value for value, _ in answers[2]])
    ok, _ = client.transaction(
        compare=[t.value(prefix + 'a') == '1'], success=[], failure=[t.put(prefix + 'failed', 'x')])
    say('else', ok, client.get(prefix + 'failed')[0])


def nested(client, prefix, say):
    t = client.transactions
    ok, answers = client.transaction(
        compare=[t.version(prefix + 'none') == 0],
        success=[t.put(prefix + 'a', '1'), t.txn(compare=[t.value(prefix + 'a') == '1'], success=[t.put(prefix + 'b', '2')], failure=[])],
        failure=[])
    say('nested', ok, len(answers), client.get(prefix + 'a')[0], client.get(prefix + 'b')[0])


def lease(client, prefix, say):
    held = client.lease(60)
    say('granted', held.ttl, held.granted_ttl, held.remaining_ttl >= 58)
    chosen = client.lease(30, lease_id=held.id - 1)
    say('chosen', chosen.id == held.id - 1)
    client.put(prefix + 'b', '1', lease=held)
    client.put(prefix + 'a', '1', lease=held)
    say('keys', sorted(key[len(prefix):] for key in held.keys))
    say('lease of a key', client.get(prefix + 'a')[1].lease_id == held.id)
    say('refreshed', [answer.TTL for answer in held.refresh()])
    held.revoke()
    say('revoked', client.get(prefix + 'a')[0], held.remaining_ttl, held.granted_ttl, list(held.keys))
    say('refresh of the dead', [answer.TTL for answer in held.refresh()])
    failed(say, 'revoke of the dead', held.revoke)
    failed(say, 'put on the dead', lambda: client.put(prefix + 'a', '1', lease=held))
    failed(say, 'the same id', lambda: client.lease(30, lease_id=chosen.id))
    chosen.revoke()
    short = client.lease(2)
    client.put(prefix + 'short', 'x', lease=short)
    time.sleep(1)
    say('half way', client.get(prefix + 'short')[0])
    for _ in range(100):
        if client.get(prefix + 'short')[0] is None:
            break
        time.sleep(0.05)
    say('expired', client.get(prefix + 'short')[0], short.granted_ttl)


def watch(client, prefix, say):
    base = client.put(prefix + 'k', '0').header.revision
    held = client.lease(60)

    def later():
        for i in range(1, 4):
            client.put(prefix + 'k', str(i))
        client.delete(prefix + 'k')
        client.put(prefix + 'l', 'x', lease=held)
        held.revoke()
        client.put(prefix + 'end', 'x')
    events, cancel = client.watch_prefix(prefix)
    thread = threading.Thread(target=later)
    thread.start()
    for event in events:
        say(type(event).__name__, event.key[len(prefix):], event.value, event._event.kv.mod_revision - base)
        if event.key.endswith(b'end'):
            cancel()
    thread.join()
    events, cancel = client.watch(prefix + 'k', start_revision=base, prev_kv=True)
    for event in events:
        say('again', type(event).__name__, event.value, event.prev_value, event._event.kv.mod_revision - base)
        if type(event).__name__ == 'DeleteEvent':
            cancel()
    failed(say, 'watched in vain', lambda: client.watch_once(prefix + 'nothing', timeout=0.2))


def lock(client, prefix, say):
    # Only tried, never waited for: the library's waiting does not work with the tenacity that Debian has.
    name = prefix.replace('/', '-') + 'lock'
    one, two = client.lock(name, ttl=30), client.lock(name, ttl=30)
    say('acquired', one.acquire(), one.is_acquired(), two.acquire(timeout=0), two.is_acquired())
    say('refreshed', [answer.TTL for answer in one.refresh()])
    say('released', one.release(), one.is_acquired())
    say('the other', two.acquire(timeout=0), two.is_acquired(), one.release(), two.release())
    with client.lock(name, ttl=30) as held:
        say('within', held.is_acquired())
    say('after', held.is_acquired())
    short = client.lock(name, ttl=2)
    short.acquire()
    for _ in range(100):
        if two.acquire(timeout=0):
            break
        time.sleep(0.05)
    say('after its holder died', two.is_acquired(), short.is_acquired())


def members(client, prefix, say):
    found = sorted(client.members, key=lambda member: member.name)
    say('members', [(member.name, len(member.peer_urls), len(member.client_urls)) for member in found])
    status = client.status()
    say('status', status.leader in [member.id for member in found] or status.leader.name in [member.name for member in found],
        status.raft_term > 0, status.raft_index > 0, status.db_size > 0)


def maintenance(client, prefix, say):
    client.defragment()
    say('hash', client.hash() > 0)
    say('alarms', list(client.list_alarms()))
    file = io.BytesIO()
    client.snapshot(file)
    say('snapshot', len(file.getvalue()) > 0)


def compaction(client, prefix, say):
    base = client.put(prefix + 'k', '1').header.revision
    last = client.put(prefix + 'k', '2').header.revision
    client.compact(last, physical=True)
    say('compacted', client.get(prefix + 'k')[0])
    failed(say, 'compacted again', lambda: client.compact(last))
    failed(say, 'compacted ahead', lambda: client.compact(last + 1000000))
    events, cancel = client.watch(prefix + 'k', start_revision=base)
    failed(say, 'watched from before', lambda: next(iter(events)), lambda error: error.compacted_revision == last)
    cancel()


def failed(say, what, call, more=None):
    try:
        say(what, 'did not fail', call())
    except Exception as error:  # noqa: B902, what comes is what is shown
        details = getattr(error, 'details', None)
        say(what, type(error).__name__, details() if callable(details) else '', more(error) if more else '')


def main():
    host, port = sys.argv[1].split(':')
    for name in sys.argv[3:]:
        client = etcd3.client(host=host, port=int(port), timeout=20)

        def say(what, *values):
            print(name + ':', what, *values, flush=True)
        globals()[name](client, sys.argv[2] + '/' + name + '/', say)
        client.close()


main()
