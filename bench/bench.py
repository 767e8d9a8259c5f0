#!/usr/bin/env python3
"""What uwsk costs beside its peers: `bench.py BUILD-FOLDER [--quick] [--only ROW,...]`.

Starts every server once, pinned to one CPU, and then drives each of them in turn, round after round, from the
other CPU. Prints the medians with their spread, the ratio to the best peer, and the worst ratio. Loopback only;
everything that it starts ends with it.
"""
import contextlib
import ctypes
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time

PEERS = ("epoll", "io_uring", "libuv")
SERVER_CPU, CLIENT_CPU = 0, 1
AIM = 1.15
MESSAGE, STREAM = 64, 65536
PIDFD_GETFD = 438

quick = "--quick" in sys.argv
only = set(sys.argv[sys.argv.index("--only") + 1].split(",")) if "--only" in sys.argv else None
build = os.path.abspath(sys.argv[1])
bench = os.path.join(build, "bench")
uwsk = os.path.join(build, "uwsk")
SECONDS, ROUNDS = (0.08, 2) if quick else (0.15, 15)  # short ones: what disturbs the machine lasts seconds

libc = ctypes.CDLL(None, use_errno=True)
started = []


def start(command, **options):
    process = subprocess.Popen(command, text=True, **options)
    started.append(process)
    return process


def stop(process, seconds=15):
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    started.remove(process)
    return process.returncode


def stop_all():
    for process in list(started):
        stop(process)


# ---- the sockets of a server: cubic is set from here, so that no side needs an option of its own ---------------

@contextlib.contextmanager
def sockets_of(pid):
    """Duplicates of the process's TCP sockets. Closed at the end: a duplicate keeps a connection alive."""
    pidfd = os.pidfd_open(pid)
    copies = []
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                    continue
            except FileNotFoundError:
                continue
            fd = libc.syscall(PIDFD_GETFD, pidfd, int(name), 0)
            if fd >= 0:
                copies.append(socket.socket(fileno=fd))
        yield [copy for copy in copies if copy.type & socket.SOCK_STREAM and copy.family != socket.AF_UNIX]
    finally:
        for copy in copies:
            copy.close()
        os.close(pidfd)


def cubic(pid):
    with sockets_of(pid) as copies:
        for copy in copies:
            if copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                copy.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")


def probe(pid, port):
    """Two echoes (the first send of a connection cannot be delayed); then what the server's end says of itself."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(2):
            connection.sendall(b"x" * MESSAGE)
            got = 0
            while got < MESSAGE:
                part = connection.recv(MESSAGE)
                if not part:
                    raise SystemExit(f"bench: no echo on port {port}")
                got += len(part)
        with sockets_of(pid) as copies:
            for copy in copies:
                try:
                    if copy.getpeername()[1] != connection.getsockname()[1]:
                        continue
                except OSError:
                    continue
                name = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).split(b"\0")[0].decode()
                return name, bool(copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    raise SystemExit(f"bench: the server's socket on port {port} was not found")


def wait_for(port, process, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            return False
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.02)
    return False


# ---- servers ----------------------------------------------------------------------------------------------------

class Server:
    def __init__(self, name, process, port):
        self.name, self.process, self.port = name, process, port


def allowed(command):
    try:
        return subprocess.run(command + ["true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


# Both sides run before whatever else this machine has to do: else its builds decide what is measured. Where many threads
# share a CPU the kernel's own scheduling is a part of what is measured, and stays.
AT_ONCE = ["chrt", "--fifo", "5"] if allowed(["chrt", "--fifo", "5"]) else []


def pinned(command, at_once=AT_ONCE):
    return at_once + ["taskset", "-c", str(SERVER_CPU)] + command


def run_driver(driver, *options, at_once=AT_ONCE):
    log = open(os.path.join(bench, f"{driver}.log"), "w")
    return start(pinned([uwsk, "run", "--processors", "1", *options, os.path.join(bench, f"{driver}.so")], at_once),
                 stdout=log, stderr=subprocess.STDOUT)


def transports():
    text = subprocess.run([uwsk, "run", "--help"], capture_output=True, text=True).stdout
    line = re.search(r"--transport NAME\s+(.*)", text)
    return ["epoll"] + (["uring"] if line and "uring" in line.group(1) else [])


class Servers:
    """Starts what fits; a peer that does not start is said to be missing."""

    def __init__(self):
        self.by_name = {}

    def add(self, name, process, *ports):
        for label, port in ports:
            if not wait_for(port, process):
                print(f"  {name}: did not start", flush=True)
                if process.poll() is not None and process in started:
                    started.remove(process)
                return
        cubic(process.pid)
        for label, port in ports:
            control, nodelay = probe(process.pid, port)
            print(f"  {label:<22} port {port}  {control}, TCP_NODELAY {'on' if nodelay else 'OFF'}", flush=True)
            self.by_name[label] = Server(label, process, port)

    def program(self, name, file, port, at_once=AT_ONCE):
        path = os.path.join(bench, file)
        if os.path.exists(path):
            self.add(name, start(pinned([path, str(port)], at_once)), (name, port))
        else:
            print(f"  {name}: not built")

    def stop(self):
        for process in {server.process for server in self.by_name.values()}:
            status = stop(process)
            if status not in (0, -signal.SIGINT):
                print(f"bench: a server ended with status {status}", flush=True)
        self.by_name = {}


# ---- measuring --------------------------------------------------------------------------------------------------

def drive(server, kind, connections, size):
    out = subprocess.run(AT_ONCE + [os.path.join(bench, "client"), kind, str(server.port), str(connections), str(size),
                          str(SECONDS), str(server.process.pid), str(CLIENT_CPU)],
                         capture_output=True, text=True, timeout=60)
    if out.returncode != 0:
        status = server.process.poll()
        gone = "" if status is None else f" (it ended with status {status})"
        raise SystemExit(f"bench: {server.name}: {out.stderr.strip()}{gone}")
    operations, seconds, server_ns, client_ns = (float(word) for word in out.stdout.split())
    operations = max(operations, 1)
    return server_ns / operations / 1000, operations / seconds


def connected(port):
    """Is there a connection of this local port that is neither the listener's (0A) nor only remembered (06)?"""
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(name) as table:
            next(table)
            for line in table:
                words = line.split(None, 4)
                if int(words[1].rpartition(":")[2], 16) == port and words[3] not in ("0A", "06"):
                    return True
    return False


def running(pid):
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "R":
                    return True
        except FileNotFoundError:
            continue
    return False


def settle(server, seconds=10):
    """The server ends the connections of a turn before the next turn is measured: until they are gone and it sleeps."""
    end = time.monotonic() + seconds
    while connected(server.port) or running(server.process.pid):
        if time.monotonic() > end:
            raise SystemExit(f"bench: {server.name} is still busy with connections that its clients have ended")
        time.sleep(0.001)


def spread(values):
    """Half of the range of the middle half, in percent of the median."""
    middle = statistics.median(values)
    if not middle or len(values) < 2:
        return 0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / 2 / middle * 100


def turns(servers):
    """Rounds: each begins with another server, so that none always comes after the same one."""
    for number in range(ROUNDS):
        first = number % max(len(servers), 1)
        yield servers[first:] + servers[:first]


worst = []


def row(title, servers, kind, connections, size, reference=PEERS, moved=0):
    if only and title.split(":")[0] not in only:
        return
    cpu = {name: [] for name in servers}
    rate = {name: [] for name in servers}
    for turn in turns(list(servers.items())):
        for name, server in turn:
            cost, speed = drive(server, kind, connections, size)
            cpu[name].append(cost)
            rate[name].append(speed)
            settle(server)
    peers = {name: statistics.median(cpu[name]) for name in servers if name in reference}
    best = min(peers, key=peers.get) if peers else None
    print(f"\n{title}", flush=True)
    for name in servers:
        cost = statistics.median(cpu[name])
        ratio = ""
        if best and name not in reference:
            value = cost / peers[best]
            ratio = f"  {value:5.2f} x {best}"
            worst.append((value, title, name, best))
        if moved:
            ratio = f"  {cost * 1000 / moved:5.3f} ns/byte" + ratio
        print(f"  {name:<22} {cost:9.2f} us/op +-{spread(cpu[name]):3.0f} %  "
              f"{statistics.median(rate[name]):9.0f} op/s +-{spread(rate[name]):3.0f} %{ratio}", flush=True)


# ---- UDP ----------------------------------------------------------------------------------------------------------

UDP_PEERS = {"recvfrom, sendto": "one", "recvmmsg, sendmmsg": "many", "GRO, GSO": "cut"}
UDP_SECONDS = 0.15


def answers(port, process, seconds=10):
    """Every UDP server answers eight bytes."""
    end = time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.connect(("127.0.0.1", port))
        asker.settimeout(0.05)
        while time.monotonic() < end and process.poll() is None:
            try:
                asker.send(bytes(8))
                asker.recv(100)
                return True
            except (TimeoutError, ConnectionRefusedError):
                time.sleep(0.02)
    return False


def udp_servers(kind, ports, peer_port):
    """The drivers of this kind on both transports, then the three peers."""
    servers = {}
    for transport in transports():
        driver, labels = ports[transport]
        process = run_driver(driver, "--transport", transport)
        for label, port in labels:
            if answers(port, process):
                servers[f"uwsk {transport}{label}"] = Server(label, process, port)
            else:
                print(f"  uwsk {transport}{label}: did not start")
    for index, (name, how) in enumerate(UDP_PEERS.items()):
        process = start(pinned([os.path.join(bench, "server_udp"), str(peer_port + index), kind, how]))
        if answers(peer_port + index, process):
            servers[name] = Server(name, process, peer_port + index)
        else:
            print(f"  {name}: did not start")
    return servers


def udp_row(title, servers, kind, how, sockets, flight):
    cost = {name: [] for name in servers}
    lost = dict.fromkeys(servers, 0)
    came = dict.fromkeys(servers, 0)
    for turn in turns(list(servers.items())):
        for name, server in turn:
            out = subprocess.run(AT_ONCE + [os.path.join(bench, "client_udp"), kind, how, str(server.port), str(sockets),
                                  str(flight), str(UDP_SECONDS), str(server.process.pid), str(CLIENT_CPU)],
                                 capture_output=True, text=True, timeout=60)
            if out.returncode != 0:
                raise SystemExit(f"bench: {name}: {out.stderr.strip()}")
            operations, _, server_ns, _, gone = (float(word) for word in out.stdout.split())
            cost[name].append(server_ns / max(operations, 1) / 1000)
            came[name] += operations
            lost[name] += max(gone, 0)
            end = time.monotonic() + 10
            while running(server.process.pid):
                if time.monotonic() > end:
                    raise SystemExit(f"bench: {name} is still busy after its turn")
                time.sleep(0.001)
    peers = {name: statistics.median(cost[name]) for name in servers if name in UDP_PEERS}
    best = min(peers, key=peers.get) if peers else None
    print(f"\n{title}", flush=True)
    for name in servers:
        middle = statistics.median(cost[name])
        ratio = ""
        if best and name not in UDP_PEERS:
            ratio = f"  {middle / peers[best]:5.2f} x {best}"
            worst.append((middle / peers[best], title, name, best))
        share = lost[name] / max(came[name] + lost[name], 1) * 100
        print(f"  {name:<26} {1000 / middle:8.0f} k a CPU second +-{spread(cost[name]):3.0f} %  {middle:6.3f} us  "
              f"lost {lost[name]:.0f} ({share:.2f} %){ratio}", flush=True)


def udp_rows():
    if only and "udp" not in only:
        return
    print("\nUDP: datagrams of 64 bytes for each second of the server's CPU time; the ratio is that of the times")
    loads = (("plain", "sendmmsg, recvmmsg"), ("cut", "GSO, GRO"))
    rows = (
        ("echo", {"epoll": ("bench_udp_echo", [("", 15040)]), "uring": ("bench_udp_echo_uring", [("", 15041)])},
         15042, "4 sockets, 32 under way each"),
        ("sink", {"epoll": ("bench_udp", [("", 15050), (" coalesced", 15051)]),
                  "uring": ("bench_udp_uring", [("", 15055), (" coalesced", 15056)])},
         15045, "4 sockets, a question after 48"),
        ("source", {"epoll": ("bench_udp", [(" list", 15052), (" message size", 15053)]),
                    "uring": ("bench_udp_uring", [(" list", 15057), (" message size", 15058)])},
         15045, "4 sockets, 256 asked for at a time"),
    )
    for kind, ports, peer_port, what in rows:
        servers = udp_servers(kind, ports, peer_port)
        for how, calls in loads:
            udp_row(f"udp {kind}: {what}; the load with {calls}", servers, kind, how, 4, 48 if kind == "sink" else 32)
        for process in {server.process for server in servers.values()}:
            status = stop(process)
            if status not in (0, -signal.SIGINT):
                print(f"bench: a server ended with status {status}", flush=True)


def prices():
    if only and "price" not in only:
        return
    sink = start(["taskset", "-c", str(CLIENT_CPU), os.path.join(bench, "client"), "sink", "15030"])
    wait_for(15030, sink)
    result = {"uwsk": {}, "peer": {}}
    for _ in range(1 if quick else 3):
        driver = start(pinned([uwsk, "run", "--processors", "1", os.path.join(bench, "bench_price.so")]),
                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for line in driver.stdout:
            words = line.split("price ")[-1].split()
            if words and words[0] == "end":
                break
            if len(words) == 2:
                result["uwsk"].setdefault(words[0], []).append(int(words[1]) / 1000)
        stop(driver)
        driver.stdout.close()
        peer = os.path.join(bench, "price_peer")
        if os.path.exists(peer):
            out = subprocess.run(pinned([peer, "15030"]), capture_output=True, text=True, timeout=60).stdout
            for _, name, value in (line.split() for line in out.splitlines()):
                result["peer"].setdefault(name, []).append(int(value) / 1000)
    stop(sink)
    print("\nsingle things: time each (idle: per connection); the peers: malloc, memset and free; raw io_uring; close(2)")
    for name, values in result["uwsk"].items():
        cost = statistics.median(values)
        text = f"  {name:<22} {cost:9.2f} us    +-{spread(values):3.0f} %"
        if result["peer"].get(name):
            beside = statistics.median(result["peer"][name])
            text += f"  peer {beside:9.2f} us  {cost / beside:5.2f} x"
        print(text, flush=True)


def parts():
    """What single parts of io_uring cost: no server of ours takes part."""
    path = os.path.join(bench, "uring_parts")
    if only and "parts" not in only or not os.path.exists(path):
        return
    print("\nparts of io_uring, each beside what could stand in its place", flush=True)
    out = subprocess.run([path, "0.05" if quick else "0.3"], capture_output=True, text=True, timeout=120)
    print("".join(f"  {line}\n" for line in (out.stdout + out.stderr).splitlines()), end="", flush=True)


def echo_rows():
    servers = Servers()
    # Each transport has a driver with ports of its own, so that all of them are measured in one row.
    for transport in transports():
        driver, port = ("bench_echo", 15007) if transport == "epoll" else ("bench_echo_uring", 15017)
        servers.add("uwsk " + transport, run_driver(driver, "--transport", transport),
                    (f"uwsk {transport} events", port), (f"uwsk {transport} receive", port + 1))
    servers.program("epoll", "server_epoll", 15010)
    servers.program("io_uring", "server_uring", 15011)
    servers.program("libuv", "server_uv", 15012)
    row("1: one connection, 64 bytes", servers.by_name, "echo", 1, MESSAGE)
    row("64: 64 connections, 64 bytes", servers.by_name, "echo", 64, MESSAGE)
    row("1000: 1,000 connections, 64 bytes", servers.by_name, "echo", 1000, MESSAGE)
    row("churn: connect, echo, close; 16 at a time", servers.by_name, "churn", 16, MESSAGE)
    row("stream: 4 connections, 64 KiB", servers.by_name, "echo", 4, STREAM)
    servers.stop()


def synchronous_rows():
    if only and "sync" not in only:
        return
    servers = Servers()
    servers.add("uwsk threads", run_driver("bench_sync", at_once=[]), ("uwsk threads", 15020))
    servers.program("blocking", "server_block", 15021, at_once=[])
    row("sync: one connection, a PASSIVE thread with synchronous calls", servers.by_name, "echo", 1, MESSAGE,
        ("blocking",))
    row("sync: 64 connections, a thread each", servers.by_name, "echo", 64, MESSAGE, ("blocking",))
    servers.stop()


def proxy_rows():
    """Beside an echo on the load's CPU, whose time does not count."""
    if only and "proxy" not in only:
        return
    target = start(AT_ONCE + ["taskset", "-c", str(CLIENT_CPU), os.path.join(bench, "server_epoll"), "15063"])
    if not wait_for(15063, target):
        raise SystemExit("bench: the proxy's target did not start")
    servers = Servers()
    for transport in transports():
        driver, port = ("bench_proxy", 15060) if transport == "epoll" else ("bench_proxy_uring", 15061)
        servers.add("uwsk " + transport, run_driver(driver, "--transport", transport), (f"uwsk {transport} proxy", port))
    path = os.path.join(bench, "server_proxy")
    servers.add("epoll proxy", start(pinned([path, "15062", "15063"])), ("epoll proxy", 15062))
    for title, kind, connections, size in (
            ("one connection, 64 bytes there and back", "echo", 1, MESSAGE),
            ("64 connections, 64 bytes there and back", "echo", 64, MESSAGE),
            ("connect, 64 bytes there and back, close; 16 at a time", "churn", 16, MESSAGE)):
        row(f"proxy: {title}", servers.by_name, kind, connections, size, ("epoll proxy",))
    row(f"proxy: 4 connections, 64 KiB there and back ({2 * STREAM} bytes an operation)", servers.by_name, "echo", 4,
        STREAM, ("epoll proxy",), 2 * STREAM)
    servers.stop()
    stop(target)


def send_complete_rows():
    if only and "send-complete" not in only:
        return
    print("\nwhat --send-complete costs (64 connections, 64 bytes, WskReceive)")
    costs = {}
    for _ in range(1 if quick else 3):
        for when in ("sent", "acked", "copied"):
            process = run_driver("bench_echo", "--send-complete", when)
            if not wait_for(15008, process):
                raise SystemExit("bench: the driver did not start")
            cubic(process.pid)
            costs.setdefault(when, []).append(drive(Server(when, process, 15008), "echo", 64, MESSAGE))
            stop(process)
    for when, values in costs.items():
        cpu = [value[0] for value in values]
        rate = [value[1] for value in values]
        print(f"  {when:<22} {statistics.median(cpu):9.2f} us/op +-{spread(cpu):3.0f} %  "
              f"{statistics.median(rate):9.0f} op/s", flush=True)


def main():
    begin = time.monotonic()
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("bench: two CPUs are needed, one for the server and one for the client")
    how = "in real time, but for the rows with many threads" if AT_ONCE else "not in real time"
    print(f"server on CPU {SERVER_CPU}, client on CPU {CLIENT_CPU}, {how}; {ROUNDS} interleaved rounds of {SECONDS} s; "
          f"load before: {os.getloadavg()[0]:.1f}")
    print("us/op: CPU time of the server's process for each operation; +-: half of the range of the middle half")
    try:
        echo_rows()
        synchronous_rows()
        proxy_rows()
        send_complete_rows()
        udp_rows()
        prices()
        parts()
    finally:
        stop_all()
    if worst:
        value, title, name, best = max(worst)
        over = sorted((entry for entry in worst if entry[0] > AIM), reverse=True)
        print(f"\nworst ratio: {value:.2f} x {best} ({name}; {title}); above {AIM}: "
              f"{len(over)} of {len(worst)} (docs/performance.md says why)")
    print(f"{time.monotonic() - begin:.0f} s")


main()
