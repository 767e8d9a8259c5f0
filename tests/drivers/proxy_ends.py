#!/usr/bin/env python3
"""proxy_ends.py CASE PROXY TARGET: both ends of drivers/proxy, which passes 127.0.0.1:PROXY on to 127.0.0.1:TARGET.

A case fails with an exception. `unload` says `ready` on its standard output when the flows are busy, and ends when all
of them have been reset.
"""
import errno
import hashlib
import select
import socket
import struct
import sys
import threading
import time

PATIENCE = 60
BYTES = 8 * 1024 * 1024

case, proxy, target = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def listener():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.settimeout(PATIENCE)
    s.bind(("127.0.0.1", target))
    s.listen(128)
    return s


def connect(family=socket.AF_INET):
    s = socket.socket(family)
    s.settimeout(PATIENCE)
    s.connect(("127.0.0.1" if family == socket.AF_INET else "::1", proxy))
    return s


def accept(at):
    s, _ = at.accept()
    s.settimeout(PATIENCE)
    return s


def read(s, count):
    data = b""
    while len(data) < count:
        part = s.recv(count - len(data))
        assert part, "FIN after %d of %d bytes" % (len(data), count)
        data += part
    return data


def read_to_fin(s):
    data = hashlib.sha256()
    total = 0
    while part := s.recv(65536):
        data.update(part)
        total += len(part)
    return total, data.hexdigest()


def is_reset(s):
    """A RST has come, or comes: unlike recv, this also tells it behind a FIN, where Linux calls it EPIPE."""
    poll = select.poll()
    poll.register(s, 0)
    assert poll.poll(PATIENCE * 1000), "no RST"
    error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    assert error in (errno.ECONNRESET, errno.EPIPE), "no RST but %d" % error


CLOSED = 7  # TCP_CLOSE of linux/tcp.h: both FINs have come and are acknowledged, or a RST has come


def has_ended(s):
    """Both directions have come to their end by FINs, which are acknowledged, and no RST has come."""
    deadline = time.monotonic() + PATIENCE
    while s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != CLOSED:
        assert time.monotonic() < deadline, "not the end of the connection"
        time.sleep(0.002)
    error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    assert error == 0, "an end with error %d" % error


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def pattern(seed, count):
    return hashlib.shake_128(b"%d" % seed).digest(count)


def write(s, data):
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)


def both_ways(seed, count, at, family=socket.AF_INET):
    """Both ends send so much at once and then a FIN; each must have all of the other's. `at` gives the target's end."""
    client = connect(family)
    server = at(client)
    out, back = pattern(2 * seed, count), pattern(2 * seed + 1, count)
    writers = [threading.Thread(target=write, args=pair) for pair in ((client, out), (server, back))]
    for writer in writers:
        writer.start()
    ends = {}
    reader = threading.Thread(target=lambda: ends.update(server=read_to_fin(server)))
    reader.start()
    ends["client"] = read_to_fin(client)
    for thread in writers + [reader]:
        thread.join()
    assert ends["server"] == (count, hashlib.sha256(out).hexdigest()), "to the target"
    assert ends["client"] == (count, hashlib.sha256(back).hexdigest()), "back"


def fill(s):
    """Sends until nothing is taken any more: every buffer on the way is full."""
    s.settimeout(1)
    total = 0
    try:
        while True:
            total += s.send(b"x" * 65536)
    except socket.timeout:
        pass
    s.settimeout(PATIENCE)
    return total


def half_close():
    at = listener()
    client = connect()
    server = accept(at)
    write(client, b"question")
    assert read_to_fin(server)[0] == 8
    for i in range(100):  # the other direction lives on
        line = b"line %d\n" % i
        server.sendall(line)
        assert read(client, len(line)) == line
    server.close()
    assert read_to_fin(client)[0] == 0
    # And the other way round, the answer behind the question's FIN.
    client = connect(socket.AF_INET6)
    server = accept(at)
    server.shutdown(socket.SHUT_WR)
    assert read_to_fin(client)[0] == 0
    write(client, pattern(1, 100000))
    assert read_to_fin(server) == (100000, hashlib.sha256(pattern(1, 100000)).hexdigest())


def pair(at, family=socket.AF_INET):
    client = connect(family)
    return client, accept(at)


def orders():
    """FINs in each order, alone and behind bytes: both ends see all bytes, then the FIN, and never a RST."""
    at = listener()
    for count in (0, 1, 300000):
        for first in ("client", "server"):
            client, server = pair(at, socket.AF_INET if first == "client" else socket.AF_INET6)
            one, other = (client, server) if first == "client" else (server, client)
            writer = threading.Thread(target=write, args=(one, pattern(3, count)))
            writer.start()
            assert read_to_fin(other) == (count, hashlib.sha256(pattern(3, count)).hexdigest())
            writer.join()
            write(other, b"the last word")
            assert read_to_fin(one)[0] == 13
            has_ended(one)
            has_ended(other)
        for _ in range(10):  # both at once
            client, server = pair(at)
            writers = [threading.Thread(target=write, args=(s, pattern(4, count))) for s in (client, server)]
            for writer in writers:
                writer.start()
            ends = {}
            reader = threading.Thread(target=lambda to, s: to.update(server=read_to_fin(s)), args=(ends, server))
            reader.start()
            ends["client"] = read_to_fin(client)
            for thread in writers + [reader]:
                thread.join()
            assert ends["client"] == ends["server"] and ends["client"][0] == count
            has_ended(client)
            has_ended(server)


def held():
    """Flows that are closed in one direction stay so, whatever else comes and goes, and carry the other direction."""
    at = listener()
    flows = [pair(at) for _ in range(6)]
    for i, (client, server) in enumerate(flows):
        one, other = (client, server) if i % 2 else (server, client)
        one.shutdown(socket.SHUT_WR)
        assert read_to_fin(other)[0] == 0
    for i in range(30):
        client, server = pair(at)
        if i % 3:
            write(client, b"short")
            assert read_to_fin(server)[0] == 5
            server.close()
            assert read_to_fin(client)[0] == 0
        else:
            reset(server if i % 2 else client)
            is_reset(client if i % 2 else server)
    for i, (client, server) in enumerate(flows):
        one, other = (client, server) if i % 2 else (server, client)
        for _ in range(20):
            other.sendall(b"still here")
            assert read(one, 10) == b"still here"
        assert not select.select([other], [], [], 0)[0] or other.recv(1) == b""
        other.shutdown(socket.SHUT_WR)
        assert read_to_fin(one)[0] == 0
        has_ended(one)
        has_ended(other)


def much():
    at = listener()
    both_ways(1, BYTES, lambda client: accept(at))
    both_ways(2, BYTES, lambda client: accept(at), socket.AF_INET6)


def slow():
    """A target that does not read holds the client up; nothing is lost when it begins to."""
    at = listener()
    client = connect()
    server = accept(at)
    total = fill(client)
    assert total < 64 * 1024 * 1024
    client.shutdown(socket.SHUT_WR)
    assert read_to_fin(server)[0] == total
    server.close()
    assert read_to_fin(client)[0] == 0


def resets():
    at = listener()
    for resetting in ("client", "server"):
        for busy in (False, True):
            client = connect()
            server = accept(at)
            client.sendall(b"hello")
            assert read(server, 5) == b"hello"
            first, second = (client, server) if resetting == "client" else (server, client)
            if busy:  # the pump is stuck in a send to an end that does not read: the reset is seen all the same
                fill(first)
            reset(first)
            is_reset(second)
    for closing in ("client", "server"):  # behind a FIN, of the same end or of the other
        for resetting in ("client", "server"):
            client, server = pair(at)
            one, other = (client, server) if closing == "client" else (server, client)
            one.shutdown(socket.SHUT_WR)
            assert read_to_fin(other)[0] == 0
            first, second = (client, server) if resetting == "client" else (server, client)
            reset(first)
            is_reset(second)
    for _ in range(20):  # from both at once
        client, server = pair(at)
        client.sendall(b"on its way")
        reset(client)
        reset(server)
    client, server = pair(at)  # nothing of that has hurt the proxy
    client.sendall(b"hello")
    assert read(server, 5) == b"hello"
    write(server, b"")
    assert read_to_fin(client)[0] == 0


def refuse():
    """Whatever the client does meanwhile, it gets a RST."""
    for family in (socket.AF_INET, socket.AF_INET6):
        for i in range(20):
            try:
                client = connect(family)
                if i % 2:
                    client.sendall(b"anybody there?")
                if i % 4 < 2:
                    client.shutdown(socket.SHUT_WR)
            except OSError as e:  # it has come already
                assert e.errno in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN), e
                continue
            is_reset(client)


def connecting():
    """How many connections to the target are in progress."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        next(table)
        return sum(1 for line in table if line.split()[2].endswith(":%04X" % target) and line.split()[3] == "02")


def give_up():
    """The target's queue is full (full_queue.py): a client that resets its connection ends the connect made for it."""
    own = connecting()
    clients = [connect() for _ in range(3)]
    clients[1].sendall(b"anybody there?")
    clients[2].shutdown(socket.SHUT_WR)
    for count, leave in ((3, None), (0, reset)):
        for client in clients if leave else ():
            leave(client)
        deadline = time.monotonic() + PATIENCE
        while connecting() != own + count:
            assert time.monotonic() < deadline, "%d connects in progress, not %d" % (connecting() - own, count)
            time.sleep(0.01)


def many():
    """Many flows at a time, a tenth of them reset in the middle. Each tells the target its number first."""
    at = listener()
    failures = []

    def serve(server):
        try:
            count = struct.unpack("<I", read(server, 4))[0]
            server.sendall(read(server, count))
            assert read_to_fin(server)[0] == 0
            server.close()
        except ConnectionResetError:
            pass
        except Exception as e:  # pylint: disable=broad-except
            failures.append("target: %r" % e)

    def ask(number):
        try:
            client = connect(socket.AF_INET6 if number % 3 == 0 else socket.AF_INET)
            data = pattern(number, 2000 * (number + 1))
            client.sendall(struct.pack("<I", len(data)))
            if number % 10 == 9:
                client.sendall(data[:1000])
                reset(client)
                return
            writer = threading.Thread(target=client.sendall, args=(data,))
            writer.start()
            assert read(client, len(data)) == data, "other bytes"
            writer.join()
            client.shutdown(socket.SHUT_WR)
            assert read_to_fin(client)[0] == 0
        except Exception as e:  # pylint: disable=broad-except
            failures.append("client %d: %r" % (number, e))

    def serve_all():
        while True:
            try:
                server = accept(at)
            except OSError:
                return
            threading.Thread(target=serve, args=(server,), daemon=True).start()

    threading.Thread(target=serve_all, daemon=True).start()
    clients = [threading.Thread(target=ask, args=(i,)) for i in range(80)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert not failures, failures


def unload():
    """Idle flows, busy ones, those closed by either end: the unload resets both ends of each."""
    at = listener()
    ends = []
    threads = []

    def until_reset(use, s):  # whichever of the two threads of a socket the reset is told, both end
        try:
            while use(s):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass

    for i in range(12):
        client, server = pair(at)
        server.sendall(b"connected")
        assert read(client, 9) == b"connected"
        if i % 4 == 1:
            for s in (client, server):
                for use in (lambda s: s.send(b"x" * 65536), lambda s: s.recv(65536)):
                    threads.append(threading.Thread(target=until_reset, args=(use, s)))
            continue
        ends += [client, server]
        if i % 4 >= 2:
            one, other = (client, server) if i % 4 == 2 else (server, client)
            one.shutdown(socket.SHUT_WR)
            assert read_to_fin(other)[0] == 0
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    for end in ends:
        is_reset(end)
    for thread in threads:
        thread.join()


{f.__name__: f for f in (half_close, orders, held, much, slow, resets, refuse, give_up, many, unload)}[case]()
