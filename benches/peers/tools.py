"""The tools that are compared: what each is given, how it is called, what it must have said."""

import collections
import grp
import json
import os
import pathlib
import pwd
import re
import subprocess
import sys

from lab import Failed, find

PYTHON = "/usr/bin/python3"
# Longest wait for a login, in seconds: many at once share few cores, and no tool is to give up.
CONNECT = 120
# What PyPI is asked for. The newest that fits is taken, once, and kept.
VENVS = {
    "ansible": ["ansible-core==2.19.*", "mitogen==0.3.*"],
    "pyinfra": ["pyinfra==3.*"],
}
# What deliberately differs in the untimed run.
DRIFTED_FILE, DRIFTED_LINE = 4, 7


class Resources:
    """The same desired state for every tool."""

    def __init__(self, home, files, lines, users, groups):
        bench = pathlib.Path(home) / "bench"
        self.files = [(f"{bench}/file-{at:02}", self.content(at)) for at in range(1, files + 1)]
        self.lines = [(f"{bench}/line-{at:02}.conf", f"setting_{at:02} is wanted here")
                      for at in range(1, lines + 1)]
        # Accounts of the distribution: check modes need no right to look at them.
        system = [user for user in pwd.getpwall() if 0 < user.pw_uid < 1000]
        self.users = [(user.pw_name, user.pw_uid, user.pw_shell) for user in system][:users]
        self.groups = [(group.gr_name, group.gr_gid) for group in grp.getgrall()
                       if 0 < group.gr_gid < 1000][:groups]

    @staticmethod
    def content(at):
        return "".join(f"# file {at:02}, line {line}: nothing to see here\n" for line in range(1, 6))

    @classmethod
    def of(cls, home, count):
        """Returns a third of files, a third of lines, a sixth of users and of groups. A machine has
        few accounts; files and lines stand in for those it lacks."""
        found = cls(home, 0, 0, count // 6, count // 6)
        rest = count - len(found.users) - len(found.groups)
        return cls(home, rest - rest // 2, rest // 2, count // 6, count // 6)

    def __len__(self):
        return len(self.files) + len(self.lines) + len(self.users) + len(self.groups)

    def mix(self):
        return (f"{len(self.files)} files, {len(self.lines)} lines, {len(self.users)} users, "
                f"{len(self.groups)} groups")

    def put(self, lab):
        """Makes the live state the desired one."""
        bench = lab.home / "bench"
        bench.mkdir(exist_ok=True)
        lab.own(bench)
        for path, content in self.files:
            self.write(lab, path, content)
        for path, line in self.lines:
            self.write(lab, path, self.around(line))

    def drift(self, lab):
        """Changes one file and takes one line away. Returns what must be found: paths."""
        file, line = self.files[DRIFTED_FILE - 1][0], self.lines[DRIFTED_LINE - 1][0]
        self.write(lab, file, pathlib.Path(file).read_text() + "somebody was here\n")
        self.write(lab, line, self.around(None))
        return {file, line}

    @staticmethod
    def around(line):
        others = [f"option_{at:02} = {at * 17}" for at in range(1, 40)]
        return "\n".join(others[:20] + ([line] if line else []) + others[20:]) + "\n"

    @staticmethod
    def write(lab, path, text):
        path = pathlib.Path(path)
        path.write_text(text)
        path.chmod(0o644)
        lab.own(path)


class Site:
    """Hosts at one port, with the inventories that lead there."""

    def __init__(self, lab, hosts, port, resources, kinds=None):
        self.lab, self.hosts, self.port, self.resources = lab, hosts, port, resources
        self.known_hosts = lab.known_hosts(hosts, port)
        self.common = f"-F {lab.client_config} -o UserKnownHostsFile={self.known_hosts}"
        self.folder = lab.folder / f"site-{len(hosts)}-{port}-{len(resources)}"
        self.folder.mkdir(exist_ok=True)
        self.hosts_yaml()
        self.drsync(kinds)
        self.playbook()
        self.deploy()

    def file(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def hosts_yaml(self):
        """An inventory that drsync and Ansible read alike."""
        quote = json.dumps
        half = max(1, len(self.hosts) // 2)
        sides = {"a": self.hosts[:half], "b": self.hosts[half:]}
        text = (f"all:\n  vars:\n    ansible_port: {self.port}\n"
                f"    ansible_user: {self.lab.user}\n"
                f"    ansible_ssh_private_key_file: {quote(str(self.lab.key))}\n"
                f"    ansible_ssh_common_args: {quote(self.common)}\n")
        for side, hosts in sides.items():
            text += f"{side}:\n  hosts:\n"
            text += "".join(f"    h-{host}: {{ ansible_host: {host} }}\n" for host in hosts)
        self.file("drsync/hosts.yaml", text)

    def drsync(self, kinds):
        wanted = self.resources
        items = {
            "os.file": ("Files", {"path": "{{ item.path }}", "content": "{{ item.content }}",
                                  "mode": "0644"},
                        [{"path": path, "content": content} for path, content in wanted.files]),
            "os.line": ("Lines", {"path": "{{ item.path }}", "line": "{{ item.line }}"},
                        [{"path": path, "line": line} for path, line in wanted.lines]),
            "os.user": ("Users", {"name": "{{ item.name }}", "uid": "{{ item.uid }}",
                                  "shell": "{{ item.shell }}"},
                        [{"name": name, "uid": uid, "shell": shell}
                         for name, uid, shell in wanted.users]),
            "os.group": ("Groups", {"name": "{{ item.name }}", "gid": "{{ item.gid }}"},
                         [{"name": name, "gid": gid} for name, gid in wanted.groups]),
        }
        chosen = {kind: item for kind, item in items.items() if not kinds or kind in kinds}
        self.per_host = sum(len(loop) for _, _, loop in chosen.values())
        self.drsync_kinds = set(chosen)
        # JSON is YAML.
        text = "".join(f"- {json.dumps({'name': name, kind: arguments, 'loop': loop})}\n"
                       for kind, (name, arguments, loop) in chosen.items())
        self.file("drsync/resources/all.yaml", text)
        self.file("drsync/pair.yaml", "pair: peers\nsides: { a: {}, b: {} }\norder: [a, b]\n")

    def playbook(self):
        wanted = self.resources

        def task(name, module, arguments, loop):
            return {"name": name, f"ansible.builtin.{module}": arguments, "loop": loop,
                    "loop_control": {"label": "{{ item.path | default(item.name) }}"}}

        tasks = [
            task("Files", "copy", {"dest": "{{ item.path }}", "content": "{{ item.content }}",
                                   "mode": "0644"},
                 [{"path": path, "content": content} for path, content in wanted.files]),
            task("Lines", "lineinfile", {"path": "{{ item.path }}", "line": "{{ item.line }}"},
                 [{"path": path, "line": line} for path, line in wanted.lines]),
            task("Users", "user", {"name": "{{ item.name }}", "uid": "{{ item.uid }}",
                                   "shell": "{{ item.shell }}", "create_home": False},
                 [{"name": name, "uid": uid, "shell": shell}
                  for name, uid, shell in wanted.users]),
            task("Groups", "group", {"name": "{{ item.name }}", "gid": "{{ item.gid }}"},
                 [{"name": name, "gid": gid} for name, gid in wanted.groups]),
        ]
        play = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
        self.file("play.yaml", json.dumps(play, indent=1))

    def deploy(self):
        data = {
            "ssh_port": self.port, "ssh_user": self.lab.user, "ssh_key": str(self.lab.key),
            "ssh_known_hosts_file": str(self.known_hosts), "ssh_strict_host_key_checking": "yes",
            "ssh_config_file": "/dev/null", "ssh_allow_agent": False, "ssh_look_for_keys": False,
            "ssh_paramiko_connect_kwargs": {
                "timeout": CONNECT, "banner_timeout": CONNECT, "auth_timeout": CONNECT,
            },
        }
        hosts = [(f"h-{host}", {"ssh_hostname": host}) for host in self.hosts]
        self.file("inventory.py", f"all = ({hosts!r}, {data!r})\n")
        wanted = self.resources
        # The operations' names are what is looked for in the output.
        self.file("deploy.py", f"""from io import StringIO

from pyinfra.operations import files, server

for path, content in {wanted.files!r}:
    files.put(name=path, src=StringIO(content), dest=path, mode="644", create_remote_dir=False)
for path, line in {wanted.lines!r}:
    files.line(name=path, path=path, line=f"^{{line}}$")
for name, uid, shell in {wanted.users!r}:
    server.user(name=f"user {{name}}", user=name, uid=uid, shell=shell, ensure_home=False)
for name, gid in {wanted.groups!r}:
    server.group(name=f"group {{name}}", group=name, gid=gid)
""")


Said = collections.namedtuple("Said", "text status")


def need(holds, what, said):
    if not holds:
        lines = said.text.splitlines()
        raise Failed(f"{what} (exit code {said.status}):\n" + "\n".join(lines[-80:]))


class Floor:
    """N bare `ssh HOST true`, all at once."""

    name = "floor"

    def version(self):
        done = subprocess.run([find("ssh"), "-V"], capture_output=True, text=True)
        return done.stderr.strip()

    def command(self, site, run, environment, look=False):
        lab = site.lab
        options = (f"{site.common} -o BatchMode=yes -o ConnectTimeout={CONNECT} "
                   f"-o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -i {lab.key} "
                   f"-p {site.port} -l {lab.user}")
        starts = "".join(f"ssh {options} {host} true & ids=\"$ids $!\"\n" for host in site.hosts)
        script = site.file("floor.sh", f"failed=0\n{starts}"
                           "for id in $ids; do wait $id || failed=1; done\nexit $failed\n")
        return ["/bin/sh", str(script)]

    def clean(self, site, said):
        need(said.status == 0 and not said.text.strip(), "an ssh failed", said)

    drifted = None


class Drsync:
    name = "drsync"

    def __init__(self, program):
        self.program = program
        # Its own limits, where it is not to take on all hosts at once.
        self.limits = None

    def version(self):
        return subprocess.run([self.program, "--version"], capture_output=True, text=True,
                              check=True).stdout.strip()

    def command(self, site, run, environment, look=False):
        words = [self.program, "plan", "-i", str(site.folder / "drsync"), "--detailed-exitcode"]
        at_once = ["--parallel", str(len(site.hosts)), "--connect-timeout", str(CONNECT)]
        words += at_once if self.limits is None else self.limits
        return words + (["--json"] if look else [])

    def clean(self, site, said):
        count = len(site.hosts)
        text = said.text.replace(",", "")
        need(said.status == 0 and f"View: {count}/{count} hosts" in text
             and f"In sync: {count * site.per_host} instances." in text,
             "drsync did not find everything as declared on all hosts", said)

    def looked(self, site, said):
        """As `clean`, for an untimed run that prints JSON: every resource was compared."""
        page = self.page(said)
        asked = page["coverage"]["hosts"]
        need(said.status == 0 and not page["instances"]
             and page["summary"]["in_sync"] == site.per_host * len(site.hosts)
             and asked["read"] == len(site.hosts),
             "drsync did not compare every resource on all hosts", said)

    @staticmethod
    def page(said):
        """Returns the JSON. Says which hosts were not read, shortly: the rest is long."""
        need(said.text.startswith("{"), "drsync printed no JSON", said)
        page = json.loads(said.text)
        hosts = page.get("coverage", {}).get("hosts", {})
        unread = hosts.get("unread")
        if unread:
            lines = [f"{host}: {why}" for host, why in sorted(unread.items())]
            more = [f"and {len(lines) - 20} more"] if len(lines) > 20 else []
            raise Failed(f"drsync could not read {len(lines)} of {hosts['asked']} hosts:\n"
                         + "\n".join(lines[:20] + more))
        return page

    def drifted(self, site, said, paths):
        if "os.line" not in site.drsync_kinds:
            paths = {path for path in paths if not path.endswith(".conf")}
        page = self.page(said)
        # A line's key has the path and the line.
        found = [(one["host"], path) for one in page["instances"] if one["verdict"] == "change"
                 for path in paths if path in one["key"]]
        wanted = {(f"h-{host}", path) for host in site.hosts for path in paths}
        need(said.status == 2 and set(found) == wanted
             and len(found) == len(page["instances"]) == len(wanted),
             "drsync did not find exactly the differences there are", said)


class Ansible:
    name = "ansible"
    settings = ""

    def __init__(self, venv):
        self.venv = venv

    def version(self):
        return installed(self.venv, "ansible-core")

    def command(self, site, run, environment, look=False):
        config = run / "ansible.cfg"
        # Every run has a control folder of its own: it starts without connections.
        config.write_text(
            f"[defaults]\nforks = {len(site.hosts)}\nhost_key_checking = True\n"
            f"timeout = {CONNECT}\n"
            f"interpreter_python = {PYTHON}\n{self.settings}"
            f"[connection]\npipelining = True\n"
            f"[ssh_connection]\npipelining = True\ncontrol_path_dir = {run}\n")
        environment["ANSIBLE_CONFIG"] = str(config)
        return [str(self.venv / "bin/ansible-playbook"), "--check", "--diff",
                "-i", str(site.folder / "drsync/hosts.yaml"), str(site.folder / "play.yaml")]

    def items(self, site, said):
        """Returns what was looked at and what would change: pairs of host and label."""
        pattern = re.compile(r"^(ok|changed|failed|fatal|skipping): \[h-([\d.]+)\]"
                             r"(?:.*? => )?\(?(?:item=([^)]*)\))?", re.M)
        found = collections.defaultdict(list)
        for word, host, label in pattern.findall(said.text):
            found[word].append((host, label))
        recap = re.findall(r"^h-([\d.]+) +: ok=(\d+) +changed=(\d+) +unreachable=0 +failed=0 "
                           r"+skipped=0 ", said.text, re.M)
        need(said.status == 0 and {host for host, *_ in recap} == set(site.hosts)
             and not found["failed"] and not found["fatal"] and not found["skipping"]
             and len(found["ok"]) + len(found["changed"])
             == len(site.hosts) * len(site.resources),
             f"{self.name} did not get through all resources on all hosts", said)
        return found["changed"]

    def clean(self, site, said):
        need(not self.items(site, said), f"{self.name} found something to change", said)

    def drifted(self, site, said, paths):
        wanted = sorted((host, path) for host in site.hosts for path in paths)
        need(sorted(self.items(site, said)) == wanted,
             f"{self.name} did not find exactly the differences there are", said)


class Mitogen(Ansible):
    name = "mitogen"

    def __init__(self, venv):
        super().__init__(venv)
        [plugins] = venv.glob("lib/python*/site-packages/ansible_mitogen/plugins/strategy")
        self.settings = f"strategy_plugins = {plugins}\nstrategy = mitogen_linear\n"

    def version(self):
        return f"{installed(self.venv, 'mitogen')} with {super().version()}"


class Pyinfra:
    name = "pyinfra"

    def __init__(self, venv):
        self.venv = venv

    def version(self):
        return installed(self.venv, "pyinfra")

    def command(self, site, run, environment, look=False):
        return [str(self.venv / "bin/pyinfra"), "--dry", "--diff", "--parallel",
                str(len(site.hosts)), str(site.folder / "inventory.py"),
                str(site.folder / "deploy.py")]

    def changes(self, site, said):
        """Returns what would change, with the number of hosts."""
        hosts = {f"h-{host}" for host in site.hosts}
        ready = set(re.findall(r"^ +\[([^\]]+)\] +Ready: ", said.text, re.M))
        table = said.text.partition("Detected changes:")[2].partition("\n\n")[0]
        rows = re.findall(r"^    (\S.*?) {2,}(-|\d+)(?: \(.*?\))? {2,}(-|\d+.*?) *$", table, re.M)
        need(said.status == 0 and ready == hosts and len(rows) == len(site.resources)
             and all(later == "-" for _, _, later in rows),
             "pyinfra did not get through all resources on all hosts", said)
        return {name: int(count) for name, count, _ in rows if count != "-"}

    def clean(self, site, said):
        need(not self.changes(site, said), "pyinfra found something to change", said)

    def drifted(self, site, said, paths):
        need(self.changes(site, said) == {path: len(site.hosts) for path in paths},
             "pyinfra did not find exactly the differences there are", said)


def installed(venv, package):
    code = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
    done = subprocess.run([venv / "bin/python", "-c", code, package], capture_output=True,
                          text=True, check=True)
    return f"{package} {done.stdout.strip()}"


def venv(name):
    """Returns the folder of a venv with a tool from PyPI; makes it when it is not there yet."""
    wanted = VENVS[name]
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    key = "+".join(wanted).replace("==", "-").replace(".*", "")
    minor = f"py{sys.version_info[0]}.{sys.version_info[1]}"
    folder = cache / "drsync-tests/peers" / f"{key}-{minor}"
    if not (folder / "complete").exists():
        print(f"installing {', '.join(wanted)} from PyPI", flush=True)
        for words in ([sys.executable, "-m", "venv", "--clear", str(folder)],
                      [str(folder / "bin/pip"), "-q", "--disable-pip-version-check", "install",
                       *wanted]):
            done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if done.returncode != 0:
                raise Failed(f"{' '.join(words)}: {done.stderr or done.stdout}")
        (folder / "complete").touch()
    return folder


def all_tools(names, drsync):
    """Returns the tools named."""
    makers = {
        "floor": Floor,
        "drsync": lambda: Drsync(drsync()),
        "ansible": lambda: Ansible(venv("ansible")),
        "mitogen": lambda: Mitogen(venv("ansible")),
        "pyinfra": lambda: Pyinfra(venv("pyinfra")),
    }
    unknown = [name for name in names if name not in makers]
    if unknown:
        raise Failed(f"no such tool: {', '.join(unknown)}; there are {', '.join(makers)}")
    return {name: makers[name]() for name in names}
