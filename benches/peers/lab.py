"""A throw-away sshd that answers as many hosts, its user, and a relay that counts and delays."""

import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

# A line of sshd's log with the process that wrote it.
LINE = re.compile(r"\(pid=(\d+)\): (.*)")
LOCK_WORDS = ("lock", "try again")


class Failed(Exception):
    """Something did not run; the text is for the user."""


def find(program):
    """Returns the path of a program, administrators' folders included."""
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    found = shutil.which(program, path=path)
    if not found:
        raise Failed(f"missing: {program}")
    return found


def addresses(count):
    """Returns loopback addresses, 250 a block: 127.0.1.1 to 127.0.1.250, 127.0.2.1 and on."""
    return [f"127.0.{1 + at // 250}.{1 + at % 250}" for at in range(count)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        return probe.getsockname()[1]


def processes():
    """Yields id, parent and user of every process."""
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            status = (entry / "status").read_text()
        except OSError:
            continue
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        if not fields.get("State", "Z").startswith("Z"):
            yield int(entry.name), int(fields["PPid"]), int(fields["Uid"].split()[0])


def family(root):
    """Returns the ids of a process and all that descend from it."""
    found, parents = [root], list(processes())
    for member in found:
        found.extend(child for child, parent, _ in parents if parent == member)
    return found


def kill(ids):
    for process in ids:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass


def patiently(words):
    """Runs useradd or userdel; another process may hold the password file for a moment."""
    for _ in range(50):
        done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode == 0:
            return
        if not any(word in done.stderr for word in LOCK_WORDS):
            break
        time.sleep(0.1)
    raise Failed(f"{words[0]}: {done.stderr.strip()}")


class Lab:
    """A folder, a user and the keys; a context that leaves nothing behind."""

    def __init__(self):
        if os.geteuid() != 0:
            raise Failed("this needs root, for a user and an sshd of its own")
        for program in ("sshd", "ssh", "ssh-keygen", "useradd", "userdel"):
            find(program)
        # Short, for the paths of control sockets.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="drsync-peers-", dir="/tmp"))
        self.user = f"drsync-p{os.getpid()}"
        self.sshd = None
        self.has_user = False
        self.runs = 0

    def __enter__(self):
        try:
            self.prepare()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # A second interrupt must not leave half of it behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.sshd:
            self.sshd.stop()
        if self.has_user:
            kill([process for process, _, user in processes() if user == self.uid])
            try:
                patiently([find("userdel"), "-f", self.user])
            except Failed as failed:
                print(f"the user {self.user} is left behind: {failed}", file=sys.stderr)
        shutil.rmtree(self.folder, ignore_errors=True)

    def prepare(self):
        # The user must get through to its home.
        self.folder.chmod(0o711)
        self.home = self.folder / "home"
        # No profile: the folder is made here and not from a skeleton. The password `*` fits
        # nothing, but does not lock the account as none would.
        patiently([find("useradd"), "-M", "-N", "-d", str(self.home), "-s", "/bin/sh",
                   "-p", "*", self.user])
        self.has_user = True
        entry = pwd.getpwnam(self.user)
        self.uid, self.gid = entry.pw_uid, entry.pw_gid
        self.home.mkdir(mode=0o755)
        os.chown(self.home, self.uid, self.gid)
        keys = self.folder / "keys"
        keys.mkdir()
        for name in ("host", "user"):
            subprocess.run([find("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "peers",
                            "-f", str(keys / name)], check=True, stdin=subprocess.DEVNULL)
        self.key = keys / "user"
        # The same system-wide defaults for every client, and nobody's personal ones.
        self.client_config = self.folder / "ssh_config"
        self.client_config.write_text("Include /etc/ssh/ssh_config\n")
        self.client = self.folder / "client"
        self.client.mkdir(mode=0o700)

    def start(self, default_limits=False):
        """Starts sshd, in place of one that ran before."""
        if self.sshd:
            self.sshd.stop()
        self.sshd = Sshd(self, default_limits)
        return self.sshd

    def known_hosts(self, hosts, port):
        """Returns a known_hosts file with every host at a port."""
        key = (self.folder / "keys/host.pub").read_text().rsplit(" ", 1)[0]
        path = self.folder / f"known_hosts-{len(hosts)}-{port}"
        path.write_text("".join(f"[{host}]:{port} {key}\n" for host in hosts))
        return path

    def environment(self):
        """Returns the surroundings of one run of a tool: nothing is left of the run before."""
        self.runs += 1
        run = self.folder / f"r{self.runs}"
        run.mkdir(mode=0o700)
        return run, {
            "PATH": os.environ["PATH"],
            "HOME": str(self.client),
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": str(run),
            "TERM": "dumb",
        }

    def own(self, path):
        os.chown(path, self.uid, self.gid)


class Sshd:
    """One server for all addresses."""

    def __init__(self, lab, default_limits):
        # sshd wants this folder; a distribution's service makes it.
        os.makedirs("/run/sshd", exist_ok=True)
        self.lab = lab
        self.log = lab.folder / "sshd.log"
        self.at = 0
        self.names = {}
        for _ in range(5):
            self.log.unlink(missing_ok=True)
            self.port = free_port()
            if self.launch(default_limits):
                return
        raise Failed(f"sshd does not start: {self.log.read_text()}")

    def launch(self, default_limits):
        folder = self.lab.folder
        keys = folder / "keys"
        limits = "" if default_limits else "MaxStartups 10000\nMaxSessions 100\n"
        config = folder / "sshd_config"
        config.write_text(
            # There is a limit to the number of ListenAddress lines; nobody from elsewhere gets in.
            f"Port {self.port}\nListenAddress 0.0.0.0\nAllowUsers {self.lab.user}@127.0.0.0/8\n"
            f"HostKey {keys}/host\nAuthorizedKeysFile {keys}/user.pub\nPidFile none\n"
            "StrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nPermitRootLogin no\nUseDNS no\nPrintMotd no\n"
            "LogLevel VERBOSE\n"
            # These lines come with the process that wrote them.
            "LogVerbose *:main():*,*:auth_log():*,*:privsep_postauth():*,*:do_exec():*\n"
            f"Subsystem sftp internal-sftp\n{limits}")
        self.process = subprocess.Popen(
            [find("sshd"), "-D", "-f", str(config), "-E", str(self.log)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            if self.log.exists() and "Server listening on" in self.log.read_text():
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(0.01)
        self.stop()
        return False

    def stop(self):
        if self.process.poll() is None:
            kill(family(self.process.pid))
            self.process.wait()

    def counts(self):
        """Returns logins and sessions by host since the last call, and how many were turned away."""
        logins, sessions, refused = {}, {}, 0
        with self.log.open() as log:
            log.seek(self.at)
            for line in log:
                if "MaxStartups" in line:
                    refused += 1
                found = LINE.search(line)
                if not found:
                    continue
                # A client's port does not name a host: there may be one port to many hosts.
                process, what = found.groups()
                if what.startswith("Connection from "):
                    self.names[process] = what.split()[6]
                elif what.startswith("User child is on pid "):
                    self.names[what.split()[5]] = self.names.get(process)
                elif what.startswith("Accepted publickey for "):
                    add(logins, self.names.get(process))
                elif what.startswith("Starting session: "):
                    add(sessions, self.names.get(process))
            self.at = log.tell()
        return logins, sessions, refused


def add(counts, name):
    counts[name] = counts.get(name, 0) + 1


class Relay:
    """A process that passes connections on to sshd; see relay.py. A context."""

    def __init__(self, hosts, to, delay=0.0):
        self.port = free_port()
        order = {"hosts": hosts, "port": self.port, "to": to, "delay": delay}
        program = pathlib.Path(__file__).with_name("relay.py")
        self.process = subprocess.Popen([sys.executable, "-B", str(program), json.dumps(order)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        start_new_session=True)
        if self.process.stdout.readline() != "ready\n":
            self.stop()
            raise Failed("the relay does not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def counts(self):
        """Returns bytes to and from each host since the last call, and the relay's seconds of CPU."""
        self.process.stdin.write("counts\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        kill([self.process.pid])
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
